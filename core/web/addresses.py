"""The addresses at which a provider may tell that a job is done: one for each job, which only we could have given out."""

from urllib.parse import quote

from itsdangerous import Signer

PARAMETER = "t"  # the parameter of the address that shows that we made it


class HookAddresses:
    """Gives out and recognises the addresses. fal signs webhooks of all its customers alike, so its signature alone does
    not tell that a call is about a job of ours: the token in the address does.

    Args:
        secret: what tokens are made with.
        public_url: where fal can reach this app.
    """

    def __init__(self, secret: str, public_url: str) -> None:
        self._signer = Signer(secret, salt="takes.hook.1")
        self._base = public_url

    def of(self, job_id: str) -> str:
        """The address for one job."""
        return f"{self._base}/hooks/fal/{quote(job_id, safe='')}?{PARAMETER}={self._token(job_id)}"

    def is_ours(self, job_id: str, token: str) -> bool:
        """Whether this token was given out for this job."""
        return self._signer.verify_signature(job_id.encode(), token.encode())

    def _token(self, job_id: str) -> str:
        return self._signer.get_signature(job_id).decode("ascii")
