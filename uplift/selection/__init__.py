"""Which learner a campaign shall have: candidates, judged by rows that they have not seen."""
