-- erase_flashes: a user's name is taken out of what was shown a moment ago. What was for them alone goes, for without names
-- it would be for everyone.
WITH named AS (
    SELECT id, array_remove(user_ids, $2) = '{}' AND user_ids <> '{}' AS is_theirs
    FROM notify.flashes
    WHERE app_id = $1 AND ($2 = ANY (user_ids) OR $2 = ANY (excluded))
    ORDER BY id
    LIMIT (SELECT $3::integer)
    FOR UPDATE
), gone AS (
    DELETE FROM notify.flashes USING named WHERE flashes.id = named.id AND is_theirs
), left_to_others AS (
    UPDATE notify.flashes AS shown
    SET user_ids = array_remove(shown.user_ids, $2), excluded = array_remove(shown.excluded, $2)
    FROM named
    WHERE shown.id = named.id AND NOT is_theirs
)
SELECT count(*) AS removed FROM named
