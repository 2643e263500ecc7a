"""How chance is drawn, in few enough lines to be written again in any language.

    draw = first 8 bytes of SHA-256(salt + NUL + unit id, UTF-8), big-endian, shifted right by 11,
           over 2^53
    salt = policy salt : campaign id : purpose      (holdout, exploration, exploration_arm, tie)

``bucketing.json`` beside this file holds cases that every client must pass; a test holds the policy
itself against them.
"""

import hashlib
from dataclasses import dataclass

_TWO_53 = float(1 << 53)


@dataclass(frozen=True)
class Bucketing:
    """One draw of a policy, as a client needs it.

    Attributes:
        salt: Of the policy.
        campaign_id: The campaign.
        share: Units drawn below it belong.
        purpose: Each has draws of its own.
    """

    salt: str
    campaign_id: str
    share: float
    purpose: str = "holdout"

    def uniform(self, unit_id: str) -> float:
        """The unit's draw in [0, 1)."""
        salted = f"{self.salt}:{self.campaign_id}:{self.purpose}\0{unit_id}"
        digest = hashlib.sha256(salted.encode()).digest()
        return (int.from_bytes(digest[:8], "big") >> 11) / _TWO_53

    def draws(self, unit_id: str) -> bool:
        """Whether the unit belongs."""
        return self.uniform(unit_id) < self.share
