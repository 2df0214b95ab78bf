"""What every simulated kind declares alike: shifts, operator actions, from when it is hot, what sensors are compared with."""

from features.kinds import Action, Term

# (hour of day at which it starts, term), by start.
SHIFTS = (
    (6, Term(code="day", words_en="day shift", words_zh="白班")),
    (14, Term(code="evening", words_en="evening shift", words_zh="中班")),
    (22, Term(code="night", words_en="night shift", words_zh="夜班")),
)
ACTIONS = (
    Action(code="mode_change", words_en="change of operating mode", words_zh="切换工况", state="running"),
    Action(code="shift_start", words_en="start of a shift", words_zh="交接班", state="running"),
    Action(code="stop", words_en="stop", words_zh="停机", state="stopped"),
    Action(code="start", words_en="start", words_zh="开机", state="running"),
    Action(code="calibration", words_en="calibration of the sensors", words_zh="传感器校准"),
)
HOT_C = 30.0
# The pasts that sensors at equal load are compared with.
EQUAL_LOAD_HOURS = (168.0, 720.0)
