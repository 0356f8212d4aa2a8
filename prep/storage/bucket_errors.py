"""What went wrong between us and a bucket, in one line that says what to do about it.

Two clients talk to buckets, google-cloud-storage when staging and TensorFlow when reading, and each
words the same few causes in its own way; here both come to the same sentences.
"""

import os
import re

from prep.errors import DataError

KEY_FILE_VARIABLE = "GOOGLE_APPLICATION_CREDENTIALS"
_LOG_IN = (
    "log in with `gcloud auth application-default login`, or set "
    f"{KEY_FILE_VARIABLE} to the path of a service account's key file"
)


def bucket_of(address: str) -> str:
    """Return the bucket of a gs:// address.

    Args:
        address: Such as gs://bucket/prefix.

    Returns:
        The bucket, such as gs://bucket.
    """
    return "/".join(address.split("/")[:3])


def no_such_bucket(address: str) -> DataError:
    """Say that the bucket does not exist.

    Args:
        address: What was asked for.

    Returns:
        The error to raise.
    """
    bucket = bucket_of(address)
    return DataError(
        f"no such bucket: {bucket}; check its name, or create it with "
        f"`gcloud storage buckets create {bucket}`"
    )


def no_permission(address: str, detail: str) -> DataError:
    """Say that the bucket refuses these credentials what was asked (403).

    Args:
        address: What was asked for.
        detail: The service's own words.

    Returns:
        The error to raise.
    """
    return DataError(
        f"no permission for {address}: {detail}; the account needs the role Storage Object User "
        f"(to read only: Storage Object Viewer) on {bucket_of(address)}"
    )


def no_credentials(address: str) -> DataError:
    """Say that there are no credentials, or none that the service knows (401).

    Args:
        address: What was asked for.

    Returns:
        The error to raise.
    """
    return DataError(f"no valid Google credentials for {address}; {_LOG_IN}")


def wrong_key_file(detail: str) -> DataError:
    """Say that the key file that the environment names cannot be used.

    Args:
        detail: What is wrong with it.

    Returns:
        The error to raise.
    """
    path = os.environ.get(KEY_FILE_VARIABLE, "")
    return DataError(
        f"{KEY_FILE_VARIABLE} names {path}, which cannot be used as a key file: {detail}; {_LOG_IN}"
    )


def no_answer(address: str, detail: str) -> DataError:
    """Say that the service could not be reached, or kept failing.

    Args:
        address: What was asked for.
        detail: The last failure.

    Returns:
        The error to raise.
    """
    return DataError(f"{address} cannot be reached: {detail}; run the command again later")


def changed_meanwhile(address: str) -> DataError:
    """Say that an object is neither the one that was seen before nor the one that is to be there.

    Args:
        address: The object.

    Returns:
        The error to raise.
    """
    return DataError(f"{address} was changed by someone else meanwhile; see who, then stage again")


def describe_google_error(error: Exception, address: str) -> DataError:
    """Translate an error of google-cloud-storage or google-auth.

    Args:
        error: The error as it was caught.
        address: What was asked for.

    Returns:
        The error to raise.
    """
    from google.api_core import exceptions as api
    from google.auth import exceptions as auth

    if isinstance(error, auth.InvalidOperation | api.Unauthorized):
        return no_credentials(address)
    if isinstance(error, auth.RefreshError | auth.DefaultCredentialsError):
        if os.environ.get(KEY_FILE_VARIABLE):
            return wrong_key_file(_first_sentences(error))
        return no_credentials(address)
    if isinstance(error, api.Forbidden):
        return no_permission(address, error.message)
    if isinstance(error, api.NotFound) and "bucket does not exist" in error.message:
        return no_such_bucket(address)
    if isinstance(error, api.RetryError):
        response = getattr(error.cause, "response", None)
        if response is None:
            return no_answer(address, _one_line(error.cause or error))
        return no_answer(address, f"HTTP {response.status_code} {_one_line(response.text)}")
    if isinstance(error, api.GoogleAPICallError):
        return DataError(f"{address}: {error.code} {_one_line(error.message)}")
    return no_answer(address, _one_line(error))


def describe_tensorflow_error(error: Exception, address: str) -> DataError:
    """Translate an error of TensorFlow's gs:// file system.

    Args:
        error: The tf.errors.OpError as it was caught.
        address: What was asked for.

    Returns:
        The error to raise.
    """
    text = _one_line(error)
    said = re.search(r'"message": "([^"]*)"', text)
    detail = said[1] if said else text
    if "HTTP response code 401" in text:
        return no_credentials(address)
    if "HTTP response code 403" in text:
        return no_permission(address, detail)
    if "bucket does not exist" in text:
        return no_such_bucket(address)
    if "scheme 'gs' not implemented" in text:
        return DataError(
            f"{address}: this TensorFlow cannot read buckets; install tensorflow[gcs-filesystem]"
        )
    return no_answer(address, detail)


def _one_line(error: object) -> str:
    return " ".join(str(error).split())


def _first_sentences(error: Exception) -> str:
    """Pick what google-auth says, and of which cause; dictionaries of its answers may follow."""
    parts = [part for part in error.args if isinstance(part, str | Exception)]
    return ": ".join(_one_line(part).split(". ")[0].rstrip(".") for part in parts)
