package template_test

import (
	"context"
	"errors"
	"fmt"
	"reflect"
	"strings"
	"testing"

	"countersign/service/stacks/template"
)

func arguments(t *testing.T, parameters string, given map[string]string) (template.Arguments, error) {
	t.Helper()
	tpl, err := load(t, "Parameters: "+parameters+"\n"+minimal)
	if err != nil {
		t.Fatalf("Load: %v\n%s", err, parameters)
	}
	return tpl.Arguments(t.Context(), given, func(_ context.Context, name string) (string, error) {
		if v, ok := map[string]string{"/image": "ami-1", "/list": "a,b"}[name]; ok {
			return v, nil
		}
		return "", errNoParameter
	})
}

var errNoParameter = errors.New("no such parameter")

func TestArguments(t *testing.T) {
	t.Parallel()
	list := func(all ...any) []any { return all }
	for _, c := range []struct {
		parameter, given string
		want             template.Argument
	}{
		{"{Type: String}", "a b", template.Argument{Text: "a b", Value: "a b"}},
		{"{Type: String}", "", template.Argument{Text: "", Value: ""}},
		{"{Type: String, NoEcho: true}", "s", template.Argument{Text: "s", Value: "s", NoEcho: true}},
		{"{Type: String, NoEcho: 'false'}", "s", template.Argument{Text: "s", Value: "s"}},
		{"{Type: Number}", "2.50", template.Argument{Text: "2.50", Value: "2.50"}},
		{"{Type: Number, MinValue: -1, MaxValue: 1e3}", "1000", template.Argument{Text: "1000", Value: "1000"}},
		{"{Type: 'List<Number>', MinValue: 1}", "1, 2.5", template.Argument{Text: "1, 2.5", Value: list("1", "2.5")}},
		{"{Type: CommaDelimitedList}", " a,b ,, c d", template.Argument{Text: " a,b ,, c d", Value: list("a", "b", "", "c d")}},
		{"{Type: CommaDelimitedList}", "", template.Argument{Text: "", Value: list("")}},
		{"{Type: CommaDelimitedList, AllowedValues: [a, b], AllowedPattern: '[a-z]'}", "b,a", template.Argument{Text: "b,a", Value: list("b", "a")}},
		{"{Type: 'AWS::Route53::HostedZone::Id'}", "Z123", template.Argument{Text: "Z123", Value: "Z123"}},
		{"{Type: 'List<AWS::EC2::Subnet::Id>'}", "s-1, s-2", template.Argument{Text: "s-1, s-2", Value: list("s-1", "s-2")}},
		{"{Type: 'AWS::SSM::Parameter::Name'}", "/image", template.Argument{Text: "/image", Value: "/image"}},
		{"{Type: 'AWS::SSM::Parameter::Value<String>'}", "/image", template.Argument{Text: "/image", Resolved: "ami-1", Value: "ami-1"}},
		{"{Type: 'AWS::SSM::Parameter::Value<AWS::EC2::Image::Id>'}", "/image", template.Argument{Text: "/image", Resolved: "ami-1", Value: "ami-1"}},
		{"{Type: 'AWS::SSM::Parameter::Value<List<String>>'}", "/list", template.Argument{Text: "/list", Resolved: "a,b", Value: list("a", "b")}},
		{"{Type: 'AWS::SSM::Parameter::Value<CommaDelimitedList>'}", "/list", template.Argument{Text: "/list", Resolved: "a,b", Value: list("a", "b")}},
		{"{Type: String, AllowedValues: [1, yes, 2.0]}", "2.0", template.Argument{Text: "2.0", Value: "2.0"}},
		{"{Type: String, AllowedValues: [yes]}", "true", template.Argument{Text: "true", Value: "true"}},
		{"{Type: String, MinLength: 2, MaxLength: '2'}", "äö", template.Argument{Text: "äö", Value: "äö"}},
		{"{Type: String, AllowedPattern: 'a|b'}", "b", template.Argument{Text: "b", Value: "b"}},
	} {
		got, err := arguments(t, "{P: "+c.parameter+"}", map[string]string{"P": c.given})
		if err != nil || !reflect.DeepEqual(got["P"], c.want) {
			t.Errorf("%s given %q: %+v, %v, want %+v", c.parameter, c.given, got["P"], err, c.want)
		}
		// A default is worth the same.
		withDefault := strings.TrimSuffix(c.parameter, "}") + fmt.Sprintf(", Default: %q}", c.given)
		if got, err = arguments(t, "{P: "+withDefault+"}", nil); err != nil || !reflect.DeepEqual(got["P"], c.want) {
			t.Errorf("%s: %+v, %v, want %+v", withDefault, got["P"], err, c.want)
		}
	}
}

func TestArgumentsThatDoNotFit(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ parameter, given, want string }{
		{"{Type: Number}", "two", "Parameter 'P' must be a number"},
		{"{Type: Number}", "", "Parameter 'P' must be a number"},
		{"{Type: Number}", "0x10", "Parameter 'P' must be a number"},
		{"{Type: Number}", "NaN", "Parameter 'P' must be a number"},
		{"{Type: Number}", "1_000", "Parameter 'P' must be a number"},
		{"{Type: Number}", "1e999999999", "Parameter 'P' must be a number"},
		{"{Type: 'List<Number>'}", "1,x", "Parameter 'P' must be a number"},
		{"{Type: Number, MinValue: 2}", "1.9", "Parameter 'P' must be a number not less than 2"},
		{"{Type: Number, MaxValue: 2.5}", "3", "Parameter 'P' must be a number not greater than 2.5"},
		{"{Type: String, MinLength: 3}", "ab", "Parameter 'P' must contain at least 3 characters"},
		{"{Type: String, MaxLength: 1}", "ab", "Parameter 'P' must contain at most 1 characters"},
		{"{Type: String, AllowedValues: [a, b]}", "c", "Parameter 'P' must be one of AllowedValues"},
		{"{Type: CommaDelimitedList, AllowedValues: [a, b]}", "a,c", "Parameter 'P' must be one of AllowedValues"},
		{"{Type: String, AllowedPattern: '[a-z]+'}", "ab1", "Parameter 'P' must match pattern [a-z]+"},
		{"{Type: String, AllowedPattern: 'a|b'}", "ab", "Parameter 'P' must match pattern a|b"},
		{"{Type: String, AllowedPattern: '[a-z]+', ConstraintDescription: only letters}", "1", "Parameter P failed to satisfy constraint: only letters"},
		{"{Type: CommaDelimitedList, AllowedPattern: '\\w+'}", "", "Parameter 'P' must match pattern \\w+"},
		{"{Type: String, AllowedPattern: 'a(?<=b)'}", "a", "Parameter 'P' has an AllowedPattern that this version of Countersign cannot match: error parsing regexp:"},
		{"{Type: String, AllowedPattern: '[a-z&&[^b]]'}", "a", "Parameter 'P' has an AllowedPattern that this version of Countersign cannot match: it intersects character classes (&&)"},
		{"{Type: 'AWS::EC2::VPC::Id'}", "", "Parameter validation failed: parameter value  for parameter name P does not exist"},
		{"{Type: 'AWS::SSM::Parameter::Value<String>'}", "/nope", "Unable to fetch parameters [/nope] from parameter store for this account: no such parameter"},
		{"{Type: String}", strings.Repeat("x", 4097), "Parameter 'P' value length is greater than 4096."},
	} {
		_, err := arguments(t, "{P: "+c.parameter+"}", map[string]string{"P": c.given})
		var e *template.Error
		if !errors.As(err, &e) || !strings.HasPrefix(e.Message, c.want) {
			t.Errorf("%s given %.20q: %v, want %s", c.parameter, c.given, err, c.want)
		} else if e.Position.Line != 1 || e.Path[1] != "P" {
			t.Errorf("%s: the error is at %v, %v", c.parameter, e.Path, e.Position)
		}
	}
	if _, err := arguments(t, "{P: {Type: 'AWS::SSM::Parameter::Value<String>'}}", map[string]string{"P": "/nope"}); !errors.Is(err, errNoParameter) {
		t.Errorf("the cause is lost: %v", err)
	}
	tpl, err := load(t, "Parameters: {P: {Type: 'AWS::SSM::Parameter::Value<String>', Default: a}}\n"+minimal)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := tpl.Arguments(t.Context(), nil, nil); err == nil || !strings.Contains(err.Error(), "there is no Parameter Store to read") {
		t.Errorf("without a Parameter Store: %v", err)
	}
}

func TestWhichArguments(t *testing.T) {
	t.Parallel()
	const parameters = "{A: {Type: String}, B: {Type: String}, C: {Type: String, Default: c}}"
	for _, c := range []struct {
		given map[string]string
		want  string
	}{
		{map[string]string{"A": "1"}, "Parameters: [B] must have values"},
		{nil, "Parameters: [A, B] must have values"},
		{map[string]string{"A": "1", "B": "2", "Y": "", "X": ""}, "Parameters: [X, Y] do not exist in the template"},
	} {
		_, err := arguments(t, parameters, c.given)
		var e *template.Error
		if !errors.As(err, &e) || e.Message != c.want {
			t.Errorf("%v: %v, want %s", c.given, err, c.want)
		}
	}
	got, err := arguments(t, parameters, map[string]string{"A": "1", "B": "", "C": ""})
	if err != nil || got["C"].Text != "" || len(got) != 3 {
		t.Errorf("an empty value is not a missing one: %v, %v", got, err)
	}
}

func TestParametersThatAreMalformed(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ parameter, want string }{
		{"{}", "Template format error: Every Parameters object must contain a Type member."},
		{"text", "Template format error: [/Parameters/P] Every Parameters member must be an object."},
		{"{Type: Text}", "Template format error: Unrecognized parameter type: Text"},
		{"{Type: 'List<Text>'}", "Template format error: Unrecognized parameter type: List<Text>"},
		{"{Type: 'AWS::SSM::Parameter::Value<Number>'}", "Template format error: Unrecognized parameter type: AWS::SSM::Parameter::Value<Number>"},
		{"{Type: String, Defalt: a}", "Invalid template parameter property 'Defalt'"},
		{"{Type: String, Default: [a]}", "Template format error: Every Default member must be a string."},
		{"{Type: String, Default: !Ref AWS::Region}", "Template format error: Every Default member must be a string."},
		{"{Type: String, Default: " + strings.Repeat("x", 4097) + "}", "Template format error: Parameter 'P' default value length is greater than 4096."},
		{"{Type: String, Description: [a]}", "Template format error: every Description member must be a string."},
		{"{Type: String, Description: " + strings.Repeat("x", 4001) + "}", "Template format error: Parameter 'P' description length is greater than 4000."},
		{"{Type: String, NoEcho: maybe}", "Template format error: NoEcho must be true or false."},
		{"{Type: String, AllowedValues: a}", "Template format error: AllowedValues must be a list with at least one value."},
		{"{Type: String, AllowedValues: []}", "Template format error: AllowedValues must be a list with at least one value."},
		{"{Type: String, AllowedValues: [[a]]}", "Template format error: every AllowedValues member must be a string."},
		{"{Type: String, MinLength: x}", "Template format error: MinLength must be an integer."},
		{"{Type: String, MaxLength: 1.5}", "Template format error: MaxLength must be an integer."},
		{"{Type: Number, MinValue: x}", "Template format error: MinValue must be a number."},
		{"{Type: Number, MaxValue: Infinity}", "Template format error: MaxValue must be a number."},
	} {
		_, err := load(t, "Parameters: {P: "+c.parameter+"}\n"+minimal)
		if err == nil || !strings.HasPrefix(err.Error(), c.want) {
			t.Errorf("%.100s: %v, want %s", c.parameter, err, c.want)
		}
	}
}

// Templates ask for passwords and host names by looking ahead, which Go's
// regular expressions cannot.
func TestPatternsThatLookAhead(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		pattern   string
		fits, not []string
	}{
		{`^(?=.*[A-Z])(?=.*\d)[A-Za-z\d]{4,}$`, []string{"abC1", "1Cab"}, []string{"abc1", "abCD", "aC1", "abC1!"}},
		{`(?!-)[a-z0-9-]+`, []string{"a-b"}, []string{"-ab", ""}},
		{`^(?!aws:)(?![)(|]x).*`, []string{"x:y", "(y"}, []string{"aws:x", "(x", "|x"}},
		{`(?=[^]]\))(a|.)+`, []string{"b)", "b)a"}, []string{"])", "b"}},
		{`(?!(a|b)c)\S+`, []string{"ab", "cc"}, []string{"ac", "bcd"}},
		{`^$|^[a-z]+$`, []string{"", "ab"}, []string{"1"}},
	} {
		parameter := fmt.Sprintf("{P: {Type: String, AllowedPattern: %q}}", c.pattern)
		for _, v := range c.fits {
			if _, err := arguments(t, parameter, map[string]string{"P": v}); err != nil {
				t.Errorf("%s: %q: %v", c.pattern, v, err)
			}
		}
		for _, v := range c.not {
			if _, err := arguments(t, parameter, map[string]string{"P": v}); err == nil || !strings.Contains(err.Error(), "must match pattern") {
				t.Errorf("%s: %q: %v", c.pattern, v, err)
			}
		}
	}
	for _, pattern := range []string{`a(?=b)b`, `(?=a)b|c`, `(?=a`, `(?!(?=a)b)c`, `(a)\1`} {
		parameter := fmt.Sprintf("{P: {Type: String, AllowedPattern: %q}}", pattern)
		if _, err := arguments(t, parameter, map[string]string{"P": "ab"}); err == nil || !strings.Contains(err.Error(), "cannot match") {
			t.Errorf("%s: %v", pattern, err)
		}
	}
}
