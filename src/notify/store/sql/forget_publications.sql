-- forget_publications: what was published so long ago, and neither edited nor recalled since: what still has entries stays.
DELETE FROM notify.publications
WHERE ctid = ANY (ARRAY (
        SELECT ctid
        FROM notify.publications
        WHERE published_at < $1 AND greatest(edited_at, recalled_at, published_at) < $1
        ORDER BY published_at
        LIMIT $2
    ))
    AND greatest(edited_at, recalled_at, published_at) < $1::timestamptz
