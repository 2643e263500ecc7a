"""Match files: contact data, normalised and hashed as an ad platform wants it.

A platform changes its rules; a profile never changes, it gets a successor with another name.
Normalised values are hashed with SHA-256 in lower-case hex, without salt. Customers without any
contact datum cannot be matched; they are left out and counted.

Sources (read 2026-11): Google Ads "Format your Customer Match data"; Meta "Customer file custom
audiences"; TikTok "Customer file audience", of which two dated phone rules exist; X "List custom
audiences".
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from uplift.audience.source import quoted
from uplift.config.exports import Profile
from uplift.errors import ContractError

# What the attributes may hold of a customer's contact data.
CONTACTS = ("email", "phone", "first_name", "last_name", "country", "zip")

_EMAIL = "regexp_replace(lower({email}), '\\s', '', 'g')"
_LOCAL, _DOMAIN = f"split_part({_EMAIL}, '@', 1)", f"split_part({_EMAIL}, '@', 2)"
_WITHOUT_TAG = f"(split_part({_LOCAL}, '+', 1) || '@' || {_DOMAIN})"
_GOOGLE_EMAIL = (
    f"CASE WHEN {_DOMAIN} IN ('gmail.com', 'googlemail.com') "
    f"THEN replace(split_part({_LOCAL}, '+', 1), '.', '') || '@' || {_DOMAIN} ELSE {_EMAIL} END"
)
_NAME = "regexp_replace(lower({name}), '\\s', '', 'g')"


@dataclass(frozen=True)
class _Field:
    """A column of a match file: its header, the contact datum it needs, and how that is written."""

    header: str
    needs: str
    sql: str


def _hashed(header: str, needs: str, sql: str) -> _Field:
    is_usable = f"nullif({sql}, '') IS NOT NULL"
    return _Field(header, needs, f"CASE WHEN {is_usable} THEN sha256({sql}) END")


def _fields(profile: Profile, country_code: str | None) -> Sequence[_Field]:
    digits = _phone_digits(country_code)
    e164 = f"('+' || {digits})"
    email, name = _is_address(_EMAIL), _NAME
    match profile:
        case "google":
            return (
                _hashed("Email", "email", _is_address(_GOOGLE_EMAIL)),
                _hashed("Phone", "phone", e164),
                _hashed("First Name", "first_name", name.format(name="{first_name}")),
                _hashed("Last Name", "last_name", name.format(name="{last_name}")),
                _Field("Country", "country", "upper(trim({country}))"),
                _Field("Zip", "zip", "trim({zip})"),
            )
        case "meta":
            return (
                _hashed("email", "email", email),
                _hashed("phone", "phone", digits),
                _hashed("fn", "first_name", name.format(name="{first_name}")),
                _hashed("ln", "last_name", name.format(name="{last_name}")),
                _hashed("zip", "zip", name.format(name="{zip}")),
                _hashed("country", "country", "lower(trim({country}))"),
            )
        case "tiktok_2025_06":
            return (
                _hashed("Email_SHA256", "email", _is_address(_WITHOUT_TAG)),
                _hashed("Phone_SHA256", "phone", e164),
            )
        case "tiktok_2025_08":
            return (
                _hashed("Email_SHA256", "email", _is_address(_WITHOUT_TAG)),
                _hashed("Phone_SHA256", "phone", digits),
            )
        case "x":
            return (_hashed("email", "email", email), _hashed("phone", "phone", e164))


def match_query(
    table: str, order: str, known: Sequence[str], profile: Profile, *, country_code: str | None
) -> str:
    """The rows of a match file: those of ``table`` that have something to be matched by.

    Args:
        table: The audience, as SQL.
        order: Its order.
        known: Its columns; ``email`` or ``phone`` must be among them.
        profile: Whose rules.
        country_code: Of phone numbers written without one, such as ``49``; None: those are no
            numbers that could be matched.

    Raises:
        ContractError: There is neither e-mail nor phone among the columns.
    """
    fields = [f for f in _fields(profile, country_code) if f.needs in known]
    if not {"email", "phone"}.intersection(f.needs for f in fields):
        raise ContractError(
            f"match file {profile!r} needs e-mail or phone; neither `email` nor `phone` is among "
            f"the columns {list(known)}. Name a table that has one in `export.attributes`."
        )
    names = {contact: f"CAST({quoted(contact)} AS VARCHAR)" for contact in CONTACTS}
    columns = [f"{_filled(f.sql, names)} AS {quoted(f.header)}" for f in fields]
    keys = [quoted(f.header) for f in fields if f.needs in ("email", "phone")]
    has_key = " OR ".join(f"{key} IS NOT NULL" for key in keys)
    hashed = f"SELECT {', '.join(columns)} FROM (SELECT * FROM {table} {order})"
    return f"SELECT * FROM ({hashed}) WHERE {has_key}"


def _filled(sql: str, names: Mapping[str, str]) -> str:
    for contact, name in names.items():
        sql = sql.replace("{" + contact + "}", name)
    return sql


def _is_address(sql: str) -> str:
    """Null unless it looks like an address."""
    return f"(CASE WHEN regexp_full_match({sql}, '[^@]+@[^@]+\\.[^@]+') THEN {sql} END)"


def _phone_digits(country_code: str | None) -> str:
    """Country code and number in digits; null where the country is not known."""
    bare = "regexp_replace({phone}, '[^0-9]', '', 'g')"
    is_international = "trim({phone}) LIKE '+%'"
    national = f"'{country_code}' || {bare}[2:]" if country_code else "NULL"
    return (
        f"(CASE WHEN length({bare}) < 7 THEN NULL WHEN {is_international} THEN {bare} "
        f"WHEN {bare} LIKE '00%' THEN {bare}[3:] WHEN {bare} LIKE '0%' THEN {national} END)"
    )
