"""Pages for marketers, served beside the API: what the night says, and audiences cut from it."""
