"""For how many customers of a segment the data bear it out."""

import duckdb

from uplift.audience.outlook import strong_evidence


def test_strong_evidence_is_counted_by_segment_and_none_is_a_number_too() -> None:
    with duckdb.connect() as connection:
        connection.execute(
            "CREATE VIEW run AS SELECT * FROM (VALUES ('a', 'persuadable', 'strong'), "
            "('b', 'persuadable', 'weak'), ('c', 'persuadable', 'strong'), "
            "('d', 'lost_cause', 'weak')) rows(unit_id, segment, evidence)"
        )
        assert strong_evidence(connection) == {"persuadable": 2, "lost_cause": 0}


def test_a_run_of_an_earlier_release_says_nothing_of_evidence() -> None:
    with duckdb.connect() as connection:
        connection.execute("CREATE VIEW run AS SELECT 'a' AS unit_id, 'lost_cause' AS segment")
        assert strong_evidence(connection) == {}
