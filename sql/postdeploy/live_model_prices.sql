-- The rows in force, as JSON in the form in which they were loaded.
SELECT formatRowNoNewline(
    'JSONEachRow',
    provider, model, valid_from, valid_to,
    input_usd_per_million, cached_usd_per_million, output_usd_per_million, reasoning_usd_per_million, source
) AS row
FROM {{ database }}.model_prices FINAL
WHERE NOT removed
SETTINGS output_format_json_quote_decimals = 1
