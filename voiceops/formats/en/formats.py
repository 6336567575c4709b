"""How the admin writes times: to the second, because a call is over in less than a minute, and in
UTC.
"""

DATETIME_FORMAT = "Y-m-d H:i:s"
DATE_FORMAT = "Y-m-d"
TIME_FORMAT = "H:i:s"
