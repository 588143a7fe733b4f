"""What the routes share: made once by `create_app`, handed to every router."""

from collections.abc import Sequence
from dataclasses import dataclass

from fastapi import HTTPException

from models.events import now_ms
from serving.blocklist import Blocklist
from serving.recommender import Scored
from serving.recorder import Recorder, Shown
from serving.reload import Follower, ServedModel
from serving.settings import Settings
from serving.turns import Turns
from serving.users import Users


@dataclass(frozen=True)
class Context:
    """Settings, the model in service, the users, what records events (None where no store is set), the items
    that operators took out, and the turns in which answers are computed."""

    settings: Settings
    follower: Follower
    users: Users
    recorder: Recorder | None
    blocklist: Blocklist
    turns: Turns

    def log_answer(
        self, answer_id: str, user_id: str | None, items: Sequence[Scored], version: str, fallback: str | None
    ) -> None:
        """Log what was recommended, where that is asked for. `answer_id` is the request id of one answer."""
        if self.recorder is not None and self.settings.impressions:
            self.recorder.show(Shown(answer_id, user_id, items, version, fallback, now_ms()))

    def model(self) -> ServedModel:
        """The model in service; take it once a request, so that no answer mixes two. 503 before the first."""
        if self.follower.current is None:
            raise HTTPException(
                503, "No model is loaded yet: try again in a few seconds.", {"Retry-After": "2"}
            )
        return self.follower.current
