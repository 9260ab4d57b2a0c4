package wire

import (
	"math"
	"testing"
	"time"
)

func TestTimes(t *testing.T) {
	t.Parallel()
	base := time.Date(2026, 3, 4, 5, 6, 7, 0, time.UTC)
	for _, c := range []struct {
		format, in string
		want       time.Time // zero: refused
		out        string    // written again
	}{
		{"unixTimestamp", "1772600767", base, "1772600767"},
		{"unixTimestamp", "1772600767.5", base.Add(500 * time.Millisecond), "1772600767.5"},
		{"unixTimestamp", "1772600767.001", base.Add(time.Millisecond), "1772600767.001"},
		{"unixTimestamp", "1.772600767E9", base, "1772600767"},
		{"unixTimestamp", "1.772600767123E9", base.Add(123 * time.Millisecond), "1772600767.123"},
		{"unixTimestamp", "-1.5", time.Unix(-2, 5e8).UTC(), "-1.5"},
		{"unixTimestamp", "-0.25", time.Unix(-1, 75e7).UTC(), "-0.25"},
		{"unixTimestamp", "0.1234567891", time.Unix(0, 123456789).UTC(), "0.123"},
		{"unixTimestamp", "1e400", time.Time{}, ""},
		{"unixTimestamp", "253402300800", time.Time{}, ""},
		{"unixTimestamp", "99999999999999999999", time.Time{}, ""},
		{"unixTimestamp", "NaN", time.Time{}, ""},
		{"unixTimestamp", "", time.Time{}, ""},
		{"iso8601", "2026-03-04T05:06:07Z", base, "2026-03-04T05:06:07Z"},
		{"iso8601", "2026-03-04T05:06:07.250Z", base.Add(250 * time.Millisecond), "2026-03-04T05:06:07.25Z"},
		{"iso8601", "2026-03-04T07:06:07+02:00", base, "2026-03-04T05:06:07Z"},
		{"iso8601", "2026-03-04T05:06:07", base, "2026-03-04T05:06:07Z"},
		{"iso8601", "2026-03-04", base.Truncate(24 * time.Hour), "2026-03-04T00:00:00Z"},
		{"iso8601", "yesterday", time.Time{}, ""},
		{"iso8601", "0000-01-01T00:00:00Z", time.Time{}, ""},
		{iso8601Millis, "2026-03-04T05:06:07Z", base, "2026-03-04T05:06:07.000Z"},
		{"rfc822", "Wed, 04 Mar 2026 05:06:07 GMT", base, "Wed, 04 Mar 2026 05:06:07 GMT"},
		{"rfc822", "Wed, 04 Mar 2026 07:06:07 +0200", base, "Wed, 04 Mar 2026 05:06:07 GMT"},
		{"rfc822", "Wed, 04 Mar 2026 05:06:07.5 GMT", base.Add(500 * time.Millisecond), "Wed, 04 Mar 2026 05:06:07 GMT"},
		{"rfc822", "Wednesday, 04-Mar-26 05:06:07 GMT", base, "Wed, 04 Mar 2026 05:06:07 GMT"},
		{"rfc822", "soon", time.Time{}, ""},
	} {
		got, err := parseTime(c.format, c.in)
		if (err != nil) != c.want.IsZero() || !got.Equal(c.want) {
			t.Errorf("%s %q: got %v, %v, want %v", c.format, c.in, got, err, c.want)
			continue
		}
		if s := formatTime(c.format, got); err == nil && s != c.out {
			t.Errorf("%s %q: written as %q, want %q", c.format, c.in, s, c.out)
		}
	}
}

func TestNumbers(t *testing.T) {
	t.Parallel()
	for s, want := range map[string]int64{"0": 0, "-7": -7, "3.0": 3, "3e2": 300, "9223372036854775807": math.MaxInt64, "9007199254740992.0": 1 << 53} {
		if got, err := integer(s); err != nil || got != want {
			t.Errorf("%s: got %d, %v", s, got, err)
		}
	}
	for _, s := range []string{"1.5", "9223372036854775808", "1e30", "1e400", "9007199254740994.0"} {
		if got, err := integer(s); err == nil {
			t.Errorf("%s: got %d", s, got)
		}
	}
	for f, want := range map[float64]string{1: "1", 0.1: "0.1", 1e21: "1000000000000000000000", math.Inf(1): "Infinity", math.Inf(-1): "-Infinity"} {
		if got := formatFloat(f, 64); got != want {
			t.Errorf("%v: got %s", f, got)
		}
	}
	if got := formatFloat(math.NaN(), 64); got != "NaN" {
		t.Errorf("NaN: got %s", got)
	}
}

func TestSplitHeader(t *testing.T) {
	t.Parallel()
	for in, want := range map[string][]string{
		"":                 nil,
		"a":                {"a"},
		"a, b ,c":          {"a", "b", "c"},
		`"a,b", c`:         {"a,b", "c"},
		`"a\"b\\", c`:      {`a"b\`, "c"},
		`"never closed`:    {"never closed"},
		`"a" trailing, b`:  {"a", "b"},
		"a,,b":             {"a", "", "b"},
		`"ends in escape\`: {`ends in escape\`},
	} {
		got := splitHeader([]string{in})
		if len(got) != len(want) {
			t.Errorf("%q: got %q", in, got)
			continue
		}
		for i := range want {
			if got[i] != want[i] {
				t.Errorf("%q: got %q", in, got)
			}
		}
	}
}
