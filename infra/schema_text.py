r"""The regular expressions that turn the JSON of a nested OTLP value into the JSON that people expect.

toJSONString writes a decoded AnyValue (see sql/macros/otlp.sql) as {"value":"int_value","string_value":"",…}. From left
to right each pattern eats one token and keeps its group; RE2's replacement knows nine of them. JSON strings are eaten
whole, so what looks like a token inside of one is left alone.
"""

from __future__ import annotations

STRING = r'"(?:[^"\\]|\\.)*"'
NO_BOOL, NO_INT, NO_DOUBLE = '"bool_value":"false",', '"int_value":"0",', '"double_value":"0",'
NO_SCALAR = '"string_value":"",' + NO_BOOL + NO_INT + NO_DOUBLE
NO_ARRAY = r'"array_value":(?:""|\{"values":\[\]\}),'
NO_KVLIST = r'"kvlist_value":(?:""|\{"values":\{\}\}),'
NO_LIST_END = NO_ARRAY + NO_KVLIST + r'"bytes_value":""\}'
BOOL = r'\{"value":"bool_value","string_value":"","bool_value":"'
INT = r'\{"value":"int_value","string_value":"",' + NO_BOOL + '"int_value":"'
DOUBLE = r'\{"value":"double_value","string_value":"",' + NO_BOOL + NO_INT + '"double_value":'

TOKENS = [
    # 1: a string, or bytes
    rf'(?:\{{"value":"string_value","string_value":|\{{"value":"bytes_value",{NO_SCALAR}{NO_ARRAY}{NO_KVLIST}"bytes_value":)'
    rf"({STRING})(?:,{NO_BOOL}{NO_INT}{NO_DOUBLE}{NO_LIST_END}|\}})",
    # 2: true, false, a number
    rf'(?:{BOOL}|{INT}|{DOUBLE}")(true|false|-?[0-9][0-9.e+-]*)",(?:{NO_INT})?(?:{NO_DOUBLE})?{NO_LIST_END}',
    # 3: NaN and the infinities, which JSON has as strings only
    rf'{DOUBLE}("-?[a-z]+"),{NO_LIST_END}',
    # 4: an unset value
    rf'\{{"value":"(null)",{NO_SCALAR}{NO_LIST_END}',
    # 5: a list begins
    rf'\{{"value":"(?:array_value",{NO_SCALAR}"array_value"|kvlist_value",{NO_SCALAR}{NO_ARRAY}"kvlist_value"):\{{"values":([\[{{])',
    # 6: a list ends, or a folded one does
    r'(?:(?:,"kvlist_value":"")?,"bytes_value":"")?([\]}])(?:\}(?:,"kvlist_value":\{"values":\{\}\})?,"bytes_value":""\})?',
    # 7: a key of a kvlist
    rf"({STRING}:)",
    # 8, 9: a list nested deeper than the columns go stays encoded, marked by its key
    rf'(\{{)"value":"(?:array|kvlist)_value",{NO_SCALAR}(?:"array_value":"",)?("(?:array|kvlist)_value":{STRING})',
]
PATTERN = "|".join(TOKENS)
REPLACEMENT = "".join(rf"\{group}" for group in range(1, 10))


JSON_TOKENS = [
    # 1: a string, or bytes in base64
    rf'\{{"(?:string|bytes)Value":({STRING})\}}',
    # 2: true, false, a number (64-bit integers come as strings), an empty kvlist
    r'\{"(?:bool|int|double|kvlist)Value":"?(true|false|-?[0-9][0-9.eE+-]*|\{\})"?\}',
    # 3: NaN and the infinities
    r'\{"doubleValue":("-?[A-Za-z]+")\}',
    # 4: an array begins
    r'\{"arrayValue":\{"values":(\[)',
    # 5, 6: a kvlist begins, or its next pair does
    rf'(?:\{{"kvlistValue":\{{"values":\[|\}})([{{,])\{{?"key":({STRING}:)',
    # 7: an unset item of an array stays {}
    r"(\{\})",
    # 8, 9: an array ends; a kvlist's last pair and the kvlist do
    r"(\])\}\}",
    r"(\})\]\}\}",
]
"""The same for OTLP's own JSON, as the collector writes it: {"arrayValue":{"values":[{"intValue":"1"}]}}.

Where a pair has ,"value": it must be : already (sql/macros/decode_json.sql)."""
JSON_PATTERN = "|".join(JSON_TOKENS)
JSON_SPACE = rf"({STRING})|\s+"
"""White space outside of strings: replaced by group 1."""
