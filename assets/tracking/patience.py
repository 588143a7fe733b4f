"""Calls that are made again while a database or server is away for a moment."""

from typing import Any

import tenacity

PATIENCE_S = 90.0


class Patient:
    """A client whose methods are called again, for PATIENCE_S, where what they ask is away."""

    def __init__(self, client: Any) -> None:
        self._client = client
        self._retrying = tenacity.Retrying(
            retry=tenacity.retry_if_exception(_is_away),
            wait=tenacity.wait_exponential(0.2, max=5),
            stop=tenacity.stop_after_delay(PATIENCE_S),
            reraise=True,
        )

    def __getattr__(self, name: str) -> Any:
        found = getattr(self._client, name)
        return self._retrying.wraps(found) if callable(found) else found


def _is_away(error: BaseException) -> bool:
    """Whether MLflow failed because its database or server could not be reached."""
    text = str(error)
    signs = ("OperationalError", "InterfaceError", "Connection refused", "Max retries exceeded")
    return type(error).__name__ == "MlflowException" and any(sign in text for sign in signs)
