package wire

import (
	"math"
	"net/http"
	"net/url"
	"reflect"
	"testing"
	"time"

	"countersign/wire/shape"
)

// rare has what the protocols allow and none of today's services uses, or only
// in one direction.
type rare struct {
	Map      map[string]string
	FlatMap  map[string]int32
	Lists    map[string][]string
	Sparse   []*string
	Plain    []string
	Flat     []rareItem
	Ratio    *float64
	Single   float32
	When     *time.Time
	Times    []time.Time
	Raw      []byte
	Params   map[string]string
	ManyOf   map[string][]string
	Required bool
}

type rareItem struct{ Name *string }

func rareShape() *shape.Shape {
	str := &shape.Shape{Name: "Str", Type: shape.String}
	list := func(name string, s *shape.Shape) *shape.Shape {
		return &shape.Shape{Name: name, Type: shape.List, Member: &shape.Member{Name: "member", Wire: "member", Shape: s}}
	}
	mapOf := func(name string, s *shape.Shape) *shape.Shape {
		return &shape.Shape{Name: name, Type: shape.Map, Key: &shape.Member{Name: "key", Wire: "key", Shape: str}, Member: &shape.Member{Name: "value", Wire: "value", Shape: s}}
	}
	item := &shape.Shape{Name: "Item", Type: shape.Structure, Members: []*shape.Member{{Name: "name", Field: "Name", Wire: "name", Shape: str}}}
	member := func(field string, s *shape.Shape) *shape.Member {
		return &shape.Member{Name: field, Field: field, Wire: field, Shape: s}
	}
	flatMap, flat := member("FlatMap", mapOf("FlatMap", &shape.Shape{Name: "Int", Type: shape.Integer})), member("Flat", list("Flat", item))
	flatMap.Flattened, flat.Flattened = true, true
	required := member("Required", &shape.Shape{Name: "Bool", Type: shape.Boolean})
	required.Required = true
	ts := &shape.Shape{Name: "Time", Type: shape.Timestamp}
	return &shape.Shape{Name: "Rare", Type: shape.Structure, Members: []*shape.Member{
		member("Map", mapOf("Map", str)), flatMap, member("Lists", mapOf("Lists", list("Strs", str))), member("Sparse", list("Sparse", str)),
		member("Plain", list("Plain", str)), flat, member("Ratio", &shape.Shape{Name: "Double", Type: shape.Double}), member("Single", &shape.Shape{Name: "Float", Type: shape.Float}),
		member("When", ts), member("Times", list("Times", ts)), member("Raw", &shape.Shape{Name: "Blob", Type: shape.Blob}), required,
	}}
}

func s(x string) *string { return &x }

func rareValue() rare {
	when := time.Date(2026, 3, 4, 5, 6, 7, 8e6, time.UTC)
	ratio := 0.25
	return rare{
		Map: map[string]string{"a": "1", "b <&": ""}, FlatMap: map[string]int32{"x": 1, "y": -2}, Sparse: []*string{s("a"), s("")}, Plain: []string{"p", ""},
		Flat: []rareItem{{s("i")}, {s("j")}}, Ratio: &ratio, Single: 1.5, When: &when, Times: []time.Time{when}, Raw: []byte{0, 255}, Required: true,
	}
}

func TestRareJSON(t *testing.T) {
	t.Parallel()
	p, err := planFor(rareShape(), reflect.TypeFor[rare]())
	if err != nil {
		t.Fatal(err)
	}
	want := rareValue()
	want.Lists = map[string][]string{"l": {"1", "2"}, "e": {}}
	want.Sparse = append(want.Sparse, nil)
	*want.Ratio = math.Inf(-1)
	w := jsonWriter{timestamps: "iso8601"}
	if err := w.structure(p, reflect.ValueOf(want), nil); err != nil {
		t.Fatal(err)
	}
	var got rare
	c := &check{model: &shape.Model{}}
	r := jsonReader{data: w.buf, check: c, timestamps: "iso8601"}
	if err := r.structure(p, reflect.ValueOf(&got).Elem()); err != nil {
		t.Fatalf("%s: %v", w.buf, err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("%s:\ngot  %+v\nwant %+v", w.buf, got, want)
	}
	if err := decodeJSON(p, []byte(`{"Ratio":"NaN","Single":1e-3}`), reflect.ValueOf(&got).Elem(), c); err != nil || !math.IsNaN(*got.Ratio) || got.Single != 0.001 {
		t.Errorf("NaN: got %v, %v, %v", *got.Ratio, got.Single, err)
	}
	if len(c.violations) != 1 || c.violations[0] != "Value null at 'required' failed to satisfy constraint: Member must not be null" {
		t.Errorf("required: got %q", c.violations)
	}
	for _, body := range []string{`{"Ratio":"nan"}`, `{"Ratio":1e999}`, `{"Single":1e39}`, `{"Plain":[null]}`, `{"Map":{"a":null}}`, `{"Times":["x"]}`, `{"When":"2026"}`, `{"Lists":{"a":{}}}`} {
		if err := decodeJSON(p, []byte(body), reflect.New(p.typ).Elem(), c); err == nil {
			t.Errorf("%s: no error", body)
		}
	}
}

func TestRareXML(t *testing.T) {
	t.Parallel()
	p, err := planFor(rareShape(), reflect.TypeFor[rare]())
	if err != nil {
		t.Fatal(err)
	}
	want := rareValue()
	e := xmlEncoder{w: newXML(), timestamps: "iso8601"}
	e.w.open("r", "")
	if err := e.members(p, reflect.ValueOf(want)); err != nil {
		t.Fatal(err)
	}
	e.w.close("r")
	const written = `<?xml version="1.0" encoding="UTF-8"?>` + "\n" + `<r><Map><entry><key>a</key><value>1</value></entry><entry><key>b &lt;&amp;</key><value></value></entry></Map>` +
		`<FlatMap><key>x</key><value>1</value></FlatMap><FlatMap><key>y</key><value>-2</value></FlatMap><Sparse><member>a</member><member></member></Sparse>` +
		`<Plain><member>p</member><member></member></Plain><Flat><name>i</name></Flat><Flat><name>j</name></Flat><Ratio>0.25</Ratio><Single>1.5</Single>` +
		`<When>2026-03-04T05:06:07.008Z</When><Times><member>2026-03-04T05:06:07.008Z</member></Times><Raw>AP8=</Raw><Required>true</Required></r>`
	if string(e.w.buf) != written {
		t.Errorf("\ngot  %s\nwant %s", e.w.buf, written)
	}
	root, err := parseXML(e.w.buf)
	if err != nil {
		t.Fatal(err)
	}
	var got rare
	d := xmlDecoder{check: &check{}, timestamps: "iso8601"}
	if err := d.structure(p, root, reflect.ValueOf(&got).Elem()); err != nil {
		t.Fatal(err)
	}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("\ngot  %+v\nwant %+v", got, want)
	}
	for _, doc := range []string{`<r><Map><entry><key>a</key></entry></Map></r>`, `<r><Ratio>0x1p-2</Ratio></r>`, `<r><Ratio>inf</Ratio></r>`, `<r><Raw>!</Raw></r>`, `<r><When>now</When></r>`, `<r><Single>1e39</Single></r>`} {
		root, err := parseXML([]byte(doc))
		if err != nil {
			t.Fatal(err)
		}
		if err := d.structure(p, root, reflect.New(p.typ).Elem()); err == nil {
			t.Errorf("%s: no error", doc)
		}
	}
}

func TestRareQuery(t *testing.T) {
	t.Parallel()
	p, err := planFor(rareShape(), reflect.TypeFor[rare]())
	if err != nil {
		t.Fatal(err)
	}
	form := url.Values{
		"Map.entry.1.key": {"a"}, "Map.entry.1.value": {"1"}, "Map.entry.2.key": {"b <&"}, "Map.entry.2.value": {""},
		"FlatMap.2.key": {"y"}, "FlatMap.2.value": {"-2"}, "FlatMap.1.key": {"x"}, "FlatMap.1.value": {"1"},
		"Sparse.member.1": {"a"}, "Sparse.member.2": {""}, "Plain.member.1": {"p"}, "Plain.member.10": {""}, "Plain.member.01": {"ignored"}, "Plain.member.-1": {"ignored"},
		"Flat.1.name": {"i"}, "Flat.2.name": {"j"}, "Ratio": {"0.25"}, "Single": {"1.5"}, "When": {"2026-03-04T05:06:07.008Z"},
		"Times.member.1": {"2026-03-04T05:06:07.008Z"}, "Raw": {"AP8="}, "Required": {"true"},
	}
	var got rare
	err = decodeQuery(p, &Request{Body: []byte(form.Encode())}, reflect.ValueOf(&got).Elem(), &check{})
	if want := rareValue(); err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v\ngot  %+v\nwant %+v", err, got, want)
	}
	// The same without a body, from the query string.
	got = rare{}
	err = decodeQuery(p, &Request{Query: form}, reflect.ValueOf(&got).Elem(), &check{})
	if err != nil || !reflect.DeepEqual(got, rareValue()) {
		t.Errorf("query string: %v, got %+v", err, got)
	}
	for _, body := range []string{"Map.entry.1.key=a", "Map.entry.1.value=a", "Plain.member.1.x=a", "When=now"} {
		if err := decodeQuery(p, &Request{Body: []byte(body)}, reflect.New(p.typ).Elem(), &check{}); err == nil {
			t.Errorf("%s: no error", body)
		}
	}
}

// TestQueryMaps binds all parameters that have no member of their own.
func TestQueryMaps(t *testing.T) {
	t.Parallel()
	str := &shape.Shape{Name: "Str", Type: shape.String}
	mapOf := func(e *shape.Shape) *shape.Shape {
		return &shape.Shape{Name: "Map", Type: shape.Map, Key: &shape.Member{Wire: "key", Shape: str}, Member: &shape.Member{Wire: "value", Shape: e}}
	}
	strs := &shape.Shape{Name: "Strs", Type: shape.List, Member: &shape.Member{Wire: "member", Shape: str}}
	op := &shape.Operation{Name: "Get", Method: "GET", Path: "/x", Model: &shape.Model{Protocol: shape.RESTJSON}, Input: &shape.Shape{Name: "In", Type: shape.Structure, Members: []*shape.Member{
		{Name: "Params", Field: "Params", Location: shape.QueryString, Shape: mapOf(str)},
		{Name: "ManyOf", Field: "ManyOf", Location: shape.QueryString, Shape: mapOf(strs)},
		{Name: "Plain", Field: "Plain", Wire: "plain", Location: shape.QueryString, Shape: strs},
	}}}
	var got rare
	if err := Decode(op, &Request{Path: "/x", Query: url.Values{"a": {"1", "2"}, "b": {""}, "plain": {"x", "y"}}, Header: http.Header{}}, &got); err != nil {
		t.Fatal(err)
	}
	want := rare{Params: map[string]string{"a": "1", "b": ""}, ManyOf: map[string][]string{"a": {"1", "2"}, "b": {""}}, Plain: []string{"x", "y"}}
	if !reflect.DeepEqual(got, want) {
		t.Errorf("got %+v, want %+v", got, want)
	}
}
