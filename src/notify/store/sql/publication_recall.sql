-- publication_recall: nobody gets it any more; `enter` takes it from those who have it.
UPDATE notify.publications SET recalled_at = $2 WHERE id = $1
