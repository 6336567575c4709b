"""Names of tools whose use means something to us."""

# Tools with which an agent reports that the callee asked not to be called again.
OPT_OUT_TOOLS = ("opt_out", "do_not_call")
# Tools with which an agent sets the call's disposition, as their argument `name`.
DISPOSITION_TOOLS = ("set_disposition", "disposition")
# Tools with which an agent agrees on a callback, with the arguments `at`, `phone_number`, `note`.
CALLBACK_TOOLS = ("schedule_callback", "callback", "call_back")
