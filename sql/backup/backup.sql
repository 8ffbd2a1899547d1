-- One backup. Only what is new since `base` is written when there is one; restoring needs both then.
BACKUP
{% for database in databases %}
    DATABASE {{ database }}{% if left_out[database] %} EXCEPT TABLES {{ left_out[database] | join(', ') }}{% endif %}{{ '' if loop.last else ',' }}
{% endfor %}
TO Disk('backups', {{ name | sql_string }})
{% if base %}
SETTINGS base_backup = Disk('backups', {{ base | sql_string }})
{% endif %}
ASYNC
