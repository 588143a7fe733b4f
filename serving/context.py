"""What the routes share: made once by `create_app`, handed to every router."""

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Protocol

from fastapi import HTTPException

from serving.reload import Follower, ServedModel
from serving.settings import Settings


class UserState(Protocol):
    """What is known of users beside what a request says."""

    def history(self, user_id: str) -> Sequence[str]:
        """Ids of what the user played, oldest first; empty for a user that nobody has heard of."""
        ...


class NoUsers:
    """Where no user state is kept, every user is unknown."""

    def history(self, user_id: str) -> Sequence[str]:
        return ()


@dataclass(frozen=True)
class Context:
    """Settings, the model in service, and the users."""

    settings: Settings
    follower: Follower
    users: UserState = field(default_factory=NoUsers)

    def model(self) -> ServedModel:
        """The model in service; take it once a request, so that no answer mixes two. 503 before the first."""
        if self.follower.current is None:
            raise HTTPException(
                503, "No model is loaded yet: try again in a few seconds.", {"Retry-After": "2"}
            )
        return self.follower.current
