-- One insert: the rows that are wanted, and the ones that are no longer, marked as removed.
INSERT INTO {{ database }}.model_prices (provider, model, valid_from, valid_to, input_usd_per_million, cached_usd_per_million, output_usd_per_million, reasoning_usd_per_million, source, removed)
WITH wanted AS
(
    SELECT provider, model, valid_from, valid_to, input_usd_per_million, cached_usd_per_million, output_usd_per_million, reasoning_usd_per_million, source
{% if rows %}
    FROM format(JSONEachRow, 'provider String, model String, valid_from DateTime(\'UTC\'), valid_to DateTime(\'UTC\'), input_usd_per_million Decimal(18, 6), cached_usd_per_million Nullable(Decimal(18, 6)), output_usd_per_million Decimal(18, 6), reasoning_usd_per_million Nullable(Decimal(18, 6)), source String', {{ rows | join('\n') | sql_string }})
{% else %}
    FROM {{ database }}.model_prices
    WHERE false
{% endif %}
)
SELECT
    provider, model, valid_from, valid_to, input_usd_per_million, cached_usd_per_million, output_usd_per_million, reasoning_usd_per_million, source,
    false AS removed
FROM wanted
UNION ALL
SELECT
    provider, model, valid_from, valid_to, input_usd_per_million, cached_usd_per_million, output_usd_per_million, reasoning_usd_per_million, source,
    true AS removed
FROM {{ database }}.model_prices AS stored FINAL
WHERE NOT stored.removed AND (provider, model, valid_from) NOT IN (SELECT provider, model, valid_from FROM wanted)
