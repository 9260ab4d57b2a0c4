package resource

import (
	"encoding/json"
	"reflect"
	"strings"
	"testing"
)

// everything has a field of every kind that properties can have.
type everything struct {
	Text    string `cfn:"required"`
	Renamed string `cfn:"Other,replace"`
	Yes     bool
	Int     int
	Int32   int32
	Int64   *int64
	Number  float64
	Free    any
	List    []string
	Map     map[string]string
	Inner   *inner
	Inners  []inner
	Enum    enum
	Enums   []enum
	unread  string
}

type enum string

type inner struct {
	Name string `cfn:"required"`
	More *inner
}

func read(t testing.TB, text string) map[string]any {
	t.Helper()
	raw := map[string]any{}
	d := json.NewDecoder(strings.NewReader(text))
	d.UseNumber()
	if err := d.Decode(&raw); err != nil {
		t.Fatalf("%v in %s", err, text)
	}
	return raw
}

func decodeEverything(t testing.TB, raw map[string]any, known ...string) (everything, []Problem) {
	t.Helper()
	s, err := schemaOf(reflect.TypeFor[everything](), known)
	if err != nil {
		t.Fatal(err)
	}
	var v everything
	return v, s.decode(raw, reflect.ValueOf(&v).Elem())
}

func TestDecode(t *testing.T) {
	t.Parallel()
	s, err := schemaOf(reflect.TypeFor[everything](), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got everything
	problems := s.decode(read(t, `{"Text": 12, "Other": true, "Yes": "TRUE", "Int": "7", "Int32": 8, "Int64": "9.0", "Number": "1.5",
		"Free": {"Statement": [1, "x"]}, "List": ["a", 1, false], "Map": {"a": 1.50, "b": "x"}, "Inner": {"Name": "n", "More": {"Name": "m"}}, "Inners": [{"Name": "o"}],
		"Enum": "E", "Enums": ["F"]}`), reflect.ValueOf(&got).Elem())
	if len(problems) > 0 {
		t.Fatal(problems)
	}
	nine := int64(9)
	want := everything{Text: "12", Renamed: "true", Yes: true, Int: 7, Int32: 8, Int64: &nine, Number: 1.5,
		Free: map[string]any{"Statement": []any{json.Number("1"), "x"}}, List: []string{"a", "1", "false"}, Map: map[string]string{"a": "1.50", "b": "x"},
		Inner: &inner{Name: "n", More: &inner{Name: "m"}}, Inners: []inner{{Name: "o"}}, Enum: "E", Enums: []enum{"F"}, unread: ""}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got  %+v\nwant %+v", got, want)
	}
}

func TestDecodeProblems(t *testing.T) {
	t.Parallel()
	for _, test := range []struct{ properties, path, message string }{
		{`{}`, "", "Property Text cannot be empty."},
		{`{"Text": "a", "Nothing": 1}`, "Nothing", "Encountered unsupported property Nothing"},
		{`{"Text": "a", "Renamed": 1}`, "Renamed", "Encountered unsupported property Renamed"},
		{`{"Text": "a", "unread": 1}`, "unread", "Encountered unsupported property unread"},
		{`{"Text": "a", "Known": 1}`, "Known", "Property Known is not built in this version of Countersign; leave it out"},
		{`{"Text": ["a"]}`, "Text", "Value of property Text must be of type String"},
		{`{"Text": {}}`, "Text", "Value of property Text must be of type String"},
		{`{"Text": "a", "Yes": "yes"}`, "Yes", "Value of property Yes must be of type Boolean"},
		{`{"Text": "a", "Yes": 1}`, "Yes", "Value of property Yes must be of type Boolean"},
		{`{"Text": "a", "Int": "seven"}`, "Int", "Value of property Int must be of type Integer"},
		{`{"Text": "a", "Int": 1.5}`, "Int", "Value of property Int must be of type Integer"},
		{`{"Text": "a", "Int32": 2147483648}`, "Int32", "Value of property Int32 must be of type Integer"},
		{`{"Text": "a", "Int64": {}}`, "Int64", "Value of property Int64 must be of type Integer"},
		{`{"Text": "a", "Number": "NaN"}`, "Number", "Value of property Number must be of type Number"},
		{`{"Text": "a", "List": "x"}`, "List", "Value of property List must be of type List"},
		{`{"Text": "a", "List": ["x", {}]}`, "List/1", "Value of property List must be of type String"},
		{`{"Text": "a", "Map": []}`, "Map", "Value of property Map must be an object"},
		{`{"Text": "a", "Map": {"k": []}}`, "Map/k", "Value of property k must be of type String"},
		{`{"Text": "a", "Inner": "x"}`, "Inner", "Value of property Inner must be an object"},
		{`{"Text": "a", "Inner": {}}`, "Inner", "Property Name cannot be empty."},
		{`{"Text": "a", "Inners": [{"Name": "x"}, {"Name": "y", "Nam": 1}]}`, "Inners/1/Nam", "Encountered unsupported property Nam"},
		{`{"Text": "a", "Inners": [{"Name": "x", "Known": 1}]}`, "Inners/0/Known", "Property Known is not built in this version of Countersign; leave it out"},
		{`{"Text": "a", "Inner": {"Name": "x", "Known": 1}}`, "Inner/Known", "Encountered unsupported property Known"},
	} {
		_, problems := decodeEverything(t, read(t, test.properties), "Known", "Inners.Known")
		if len(problems) != 1 || join(problems[0].Path) != test.path || problems[0].Message != test.message {
			t.Errorf("%s: %+v, want %s: %s", test.properties, problems, test.path, test.message)
		}
	}
	// All of them are told, in an order that does not change.
	raw := read(t, `{"B": 1, "A": 1, "Yes": "x"}`)
	for range 10 {
		if _, problems := decodeEverything(t, raw); len(problems) != 4 || problems[0].Path[0] != "A" || problems[2].Path[0] != "Yes" || problems[3].Message != "Property Text cannot be empty." {
			t.Fatalf("%+v", problems)
		}
	}
}

// What is not known yet fits everywhere and stays zero; so does null.
func TestDecodeUnknown(t *testing.T) {
	t.Parallel()
	for _, nothing := range []any{Unknown{}, nil} {
		raw := map[string]any{"Text": nothing, "Yes": nothing, "Int64": nothing, "Number": nothing, "Free": nothing, "Map": map[string]any{"k": nothing}, "Inner": nothing,
			"List": []any{nothing, "x"}, "Inners": []any{nothing, map[string]any{"Name": nothing}}}
		s, err := schemaOf(reflect.TypeFor[everything](), nil)
		if err != nil {
			t.Fatal(err)
		}
		var got everything
		if problems := s.decode(raw, reflect.ValueOf(&got).Elem()); len(problems) > 0 {
			t.Errorf("%v: %+v", nothing, problems)
		}
		if want := (everything{Map: map[string]string{"k": ""}, List: []string{"", "x"}, Inners: []inner{{}, {}}}); !reflect.DeepEqual(got, want) {
			t.Errorf("%v: got %+v", nothing, got)
		}
	}
}

func TestDecodeRest(t *testing.T) {
	t.Parallel()
	type custom struct {
		ServiceToken string         `cfn:"required,replace"`
		Rest         map[string]any `cfn:"rest"`
	}
	s, err := schemaOf(reflect.TypeFor[custom](), nil)
	if err != nil {
		t.Fatal(err)
	}
	var got custom
	if problems := s.decode(read(t, `{"ServiceToken": "t", "Certs": ["a"], "Rest": 1}`), reflect.ValueOf(&got).Elem()); len(problems) > 0 {
		t.Fatal(problems)
	}
	if want := (custom{"t", map[string]any{"Certs": []any{"a"}, "Rest": json.Number("1")}}); !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}

func TestSchemaErrors(t *testing.T) {
	t.Parallel()
	for _, v := range []any{
		0, struct{ C chan int }{}, struct{ F func() }{}, struct{ M map[int]string }{}, struct {
			R []string `cfn:"rest"`
		}{}, struct {
			S string `cfn:"requierd"`
		}{}, struct{ E error }{}, struct{ In struct{ U uint } }{},
	} {
		if _, err := schemaOf(reflect.TypeOf(v), nil); err == nil {
			t.Errorf("a schema of %T", v)
		}
	}
}

func FuzzDecode(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"Text": "a", "Inner": {"Name": "x", "More": {"Name": 1}}, "Inners": [{}, 1, null]}`, `{"Text": 1e400, "Number": 1e400, "Int": "9223372036854775808", "Int64": "-1.0"}`,
		`{"Free": [[[{}]]], "Map": {"": null, "k": [1]}, "List": [[], {}], "Yes": "tRuE"}`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, text []byte) {
		raw := map[string]any{}
		d := json.NewDecoder(strings.NewReader(string(text)))
		d.UseNumber()
		if d.Decode(&raw) != nil {
			return
		}
		_, problems := decodeEverything(t, raw, "Known")
		for _, p := range problems {
			if p.Message == "" {
				t.Errorf("%s: a problem without a message at %v", text, p.Path)
			}
		}
	})
}
