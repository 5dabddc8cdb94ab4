-- publication_topics: what a publication of an app was published to.
SELECT topics FROM notify.publications WHERE id = $1 AND app_id = $2
