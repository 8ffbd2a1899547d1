-- How many messages arrived again in [since, until), by the ledger: usually none, and then nothing else is asked.
SELECT count()
FROM
(
{% include 'worker/messages_again.sql' %}
)
