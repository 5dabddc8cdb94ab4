-- publication_edit: what those who have not pulled a publication yet will get; `enter` tells the others.
UPDATE notify.publications
SET title = $2, body = $3, level = $4, data = $5::text::json, url = $6, actions = $7::text::json, actor = $8::text::json,
    progress = $9, edited_at = $10
WHERE id = $1
