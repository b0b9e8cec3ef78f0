"""What botocore raises, as errors that say what a person should check.

No message of the server's is repeated: it may hold what should stay out of logs.
"""

from __future__ import annotations

from botocore.exceptions import (
    BotoCoreError,
    ClientError,
    ConnectTimeoutError,
    CredentialRetrievalError,
    EndpointConnectionError,
    HTTPClientError,
    NoCredentialsError,
    PartialCredentialsError,
    ProfileNotFound,
    ReadTimeoutError,
    SSLError,
    TokenRetrievalError,
)

from pipeline.errors import BackendUnavailable, DailiesError

MISSING = frozenset({"404", "NoSuchKey", "NotFound"})
UNSUPPORTED = frozenset({"501", "NotImplemented", "InvalidArgument", "InvalidRequest", "UnsupportedOperation"})
"""How servers refuse headers that they do not know, such as checksums."""

_NO_BUCKET = frozenset({"NoSuchBucket"})
_DENIED = frozenset({"403", "AccessDenied", "AllAccessDisabled", "AccountProblem", "UnauthorizedAccess"})
_BAD_KEY = frozenset(
    {"401", "InvalidAccessKeyId", "SignatureDoesNotMatch", "AuthFailure", "InvalidSecurity", "NotSignedUp"}
)
_BAD_TOKEN = frozenset({"ExpiredToken", "ExpiredTokenException", "InvalidToken", "TokenRefreshRequired"})
_REGION = frozenset({"301", "307", "PermanentRedirect", "AuthorizationHeaderMalformed", "IllegalLocationConstraint"})
_CLOCK = frozenset({"RequestTimeTooSkewed", "RequestExpired"})
_CHANGED = frozenset({"412", "PreconditionFailed"})
_FULL = frozenset({"507", "QuotaExceeded", "XMinioStorageFull", "InsufficientCapacity", "EntityTooLarge"})

_CREDENTIALS = "Check AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY (or AWS_PROFILE)."


def code_of(error: ClientError) -> str:
    """Return the server's error code, such as ``NoSuchKey``, or the HTTP status where it gave none."""
    answer = error.response
    code = answer.get("Error", {}).get("Code", "")
    return code or str(answer.get("ResponseMetadata", {}).get("HTTPStatusCode", "unknown"))


def explained(error: BotoCoreError | ClientError, *, location: str, endpoint: str) -> DailiesError:
    """Return the error that a person is shown.

    Args:
        error: What botocore raised.
        location: ``s3://`` URL of the object or the bucket concerned.
        endpoint: The server's address as configured; empty for AWS.
    """
    if isinstance(error, ClientError):
        what, remedy = _refusal(code_of(error))
    else:
        what, remedy = _no_answer(error, endpoint)
    return BackendUnavailable(what, where=location, remedy=remedy)


def missing_bucket(location: str) -> BackendUnavailable:
    """Return the error for a bucket that is not there."""
    what, remedy = _refusal("NoSuchBucket")
    return BackendUnavailable(what, where=location, remedy=remedy)


def _refusal(code: str) -> tuple[str, str]:
    table = (
        (
            _NO_BUCKET,
            "The bucket does not exist.",
            "Create it, or correct DAILIES_STORAGE_URL and DAILIES_S3_ENDPOINT_URL.",
        ),
        (
            _DENIED,
            "The storage refused access.",
            f"{_CREDENTIALS} They need to read, write and list the bucket.",
        ),
        (_BAD_KEY, "The storage does not accept the credentials.", _CREDENTIALS),
        (_BAD_TOKEN, "The credentials have expired.", "Renew them, and AWS_SESSION_TOKEN with them."),
        (_REGION, "The bucket is in another region.", "Set AWS_REGION (AWS_DEFAULT_REGION) to the bucket's."),
        (
            _CLOCK,
            "This machine's clock is wrong.",
            "Set it (NTP); the storage refuses requests from another time.",
        ),
        (_CHANGED, "The object was replaced while it was read.", "Run it again."),
        (
            frozenset({"400"}),
            "The storage refused the request.",
            "Check AWS_REGION (AWS_DEFAULT_REGION), and that AWS_SESSION_TOKEN has not expired.",
        ),
        (_FULL, "The storage has no room for this file.", "Free some space there or raise its quota."),
    )
    for codes, what, remedy in table:
        if code in codes:
            return what, remedy
    return (
        f"The storage failed ({code}), again after several attempts.",
        "Try again later; what is complete is not uploaded again. If it stays, check the server's log.",
    )


def _no_answer(error: BotoCoreError, endpoint: str) -> tuple[str, str]:
    server = f"The S3 server {endpoint}" if endpoint else "AWS S3"
    if isinstance(error, NoCredentialsError | PartialCredentialsError):
        return (
            "No complete credentials for the storage were found.",
            "Set AWS_ACCESS_KEY_ID and AWS_SECRET_ACCESS_KEY, or AWS_PROFILE.",
        )
    if isinstance(error, CredentialRetrievalError | TokenRetrievalError | ProfileNotFound):
        return "The credentials for the storage could not be had.", "Check AWS_PROFILE and what it refers to."
    if isinstance(error, SSLError):
        return (
            f"{server} shows a certificate that is not trusted.",
            "Set AWS_CA_BUNDLE to its authority's file, or use http:// in DAILIES_S3_ENDPOINT_URL.",
        )
    if isinstance(error, ConnectTimeoutError | ReadTimeoutError):
        return (
            f"{server} does not answer in time.",
            "Check DAILIES_S3_ENDPOINT_URL, the network and the server.",
        )
    if isinstance(error, EndpointConnectionError | HTTPClientError):
        return f"{server} can't be reached.", "Check DAILIES_S3_ENDPOINT_URL, and that the server runs."
    return (
        f"The storage can't be used ({type(error).__name__}).",
        "Check DAILIES_STORAGE_URL, DAILIES_S3_ENDPOINT_URL and the AWS_* variables.",
    )
