package sam

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"
	"testing"
)

// The left side is what a template says, the right side what Python 3.11's json.dumps
// makes of it with separators=(",", ":") and sort_keys=True.
func TestCanonicalJSON(t *testing.T) {
	t.Parallel()
	for text, want := range map[string]string{
		`{"b":1,"a":[true,false,null]}`:    `{"a":[true,false,null],"b":1}`,
		`"\u00e4\ud834\udd1e\u007f\u0001"`: `"\u00e4\ud834\udd1e\u007f\u0001"`,
		`"<&>\"\\\/\b\f\n\r\t"`:            `"<&>\"\\/\b\f\n\r\t"`,
		`1.0`:                              `1.0`,
		`1.10`:                             `1.1`,
		`0.00001`:                          `1e-05`,
		`0.0001`:                           `0.0001`,
		`1e15`:                             `1000000000000000.0`,
		`1e16`:                             `1e+16`,
		`-2.5E-7`:                          `-2.5e-07`,
		`12345678901234567890`:             `12345678901234567890`,
	} {
		var v any
		d := json.NewDecoder(strings.NewReader(text))
		d.UseNumber()
		if err := d.Decode(&v); err != nil {
			t.Fatal(err)
		}
		var b bytes.Buffer
		writeJSON(&b, v)
		if b.String() != want {
			t.Errorf("%s: got %s, want %s", text, &b, want)
		}
	}
}

func TestHashes(t *testing.T) {
	t.Parallel()
	for want, v := range map[string]any{
		"":           "",
		"1bc412bb08": "api.example.com",
		"0cf6d58763": "Z1",
	} {
		if got := hashOf(v); got != want {
			t.Errorf("%v: got %s, want %s", v, got, want)
		}
	}
}

// Every property that Globals may set is one of the resources' own.
func TestGlobalPropertiesAreKnown(t *testing.T) {
	t.Parallel()
	for section, table := range map[string][]property{"Function": functionProperties, "Api": apiProperties, "HttpApi": httpAPIProperties} {
		for _, name := range globalProperties[section] {
			if !slices.ContainsFunc(table, func(p property) bool { return p.name == name }) {
				t.Errorf("%s.%s is in Globals only", section, name)
			}
		}
	}
}
