"""Hashes against the platforms' own examples, and against Python's hashlib."""

import hashlib

import duckdb
import pyarrow as pa
import pytest

from uplift.audience.match_files import match_query
from uplift.config.exports import Profile
from uplift.errors import ContractError

PEOPLE = {
    "unit_id": ["a", "b", "c", "d", "e"],
    "email": [" Jane.Doe+News@GMail.com ", "max@example.com", None, "no address", ""],
    "phone": ["+49 (170) 123-45 67", "0049 170 1234568", "0170 1234569", "12", None],
    "first_name": ["Jane", " Max ", None, None, None],
    "country": ["de", "DE", None, None, None],
    "zip": ["89073", " 10115", None, None, None],
}


def sha(text: str) -> str:
    return hashlib.sha256(text.encode()).hexdigest()


def matched(
    profile: Profile, *, country_code: str | None = "49", people: object = None
) -> list[dict[str, str | None]]:
    table = pa.table(people or PEOPLE)
    query = match_query("people", "", table.column_names, profile, country_code=country_code)
    with duckdb.connect() as connection:
        connection.register("people", table)
        return connection.sql(query).to_arrow_table().to_pylist()


def test_google_wants_plain_country_and_zip_and_gmail_without_dots() -> None:
    jane, max_, third = matched("google")
    assert jane == {
        "Email": sha("janedoe@gmail.com"),
        "Phone": sha("+491701234567"),
        "First Name": sha("jane"),
        "Country": "DE",
        "Zip": "89073",
    }
    assert (max_["Email"], max_["Phone"]) == (sha("max@example.com"), sha("+491701234568"))
    assert (third["Email"], third["Phone"]) == (None, sha("+491701234569"))


def test_meta_hashes_everything_and_phones_have_no_plus() -> None:
    jane, max_, _ = matched("meta")
    assert jane["email"] == sha("jane.doe+news@gmail.com")
    assert (jane["phone"], jane["zip"]) == (sha("491701234567"), sha("89073"))
    assert (jane["country"], max_["fn"]) == (sha("de"), sha("max"))


def test_tiktok_drops_the_tag_and_its_two_phone_rules_are_two_profiles() -> None:
    june, august = matched("tiktok_2025_06")[0], matched("tiktok_2025_08")[0]
    assert june["Email_SHA256"] == august["Email_SHA256"] == sha("jane.doe@gmail.com")
    assert june["Phone_SHA256"] == sha("+491701234567")
    assert august["Phone_SHA256"] == sha("491701234567")


def test_x_wants_the_trimmed_lower_case_address() -> None:
    assert matched("x")[0]["email"] == sha("jane.doe+news@gmail.com")


def test_a_published_example_has_its_published_hash() -> None:
    """The address test@example.com, in every guide."""
    people = {"email": ["Test@Example.com"]}
    expected = "973dfe463ec85785f5f95af5ba3906eedb2d931c24e69824a89ea65dba4e813b"
    for profile in ("google", "meta", "tiktok_2025_06", "x"):
        assert expected in matched(profile, people=people)[0].values()


def test_who_has_nothing_to_be_matched_by_is_left_out() -> None:
    assert [len(matched(profile)) for profile in ("google", "meta", "x")] == [3, 3, 3]
    assert len(matched("google", country_code=None)) == 2  # a national number could be anywhere


def test_without_contact_data_the_error_says_what_is_needed() -> None:
    with pytest.raises(ContractError, match=r"file 'meta' needs e-mail or phone; .*'city'"):
        matched("meta", people={"unit_id": ["a"], "city": ["Ulm"]})
