package secrets

import (
	"encoding/base64"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"
	"time"

	"countersign/call"

	"github.com/aws/aws-sdk-go-v2/aws"
	"github.com/aws/aws-sdk-go-v2/service/secretsmanager"
	"github.com/aws/aws-sdk-go-v2/service/ssm"
	ssmtypes "github.com/aws/aws-sdk-go-v2/service/ssm/types"
)

// put writes a parameter over whatever is there.
func (b *bench) put(name, value string) int64 {
	b.t.Helper()
	return do(b, b.PutParameter, &ssm.PutParameterInput{Name: &name, Value: &value, Type: "String", Overwrite: aws.Bool(true)}).Version
}

func (b *bench) get(name string) *ssmtypes.Parameter {
	b.t.Helper()
	return do(b, b.GetParameter, &ssm.GetParameterInput{Name: &name, WithDecryption: aws.Bool(true)}).Parameter
}

const parameterPrefix = "arn:aws:ssm:" + testRegion + ":" + testAccount + ":parameter"

func TestPutParameter(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	out := do(b, b.PutParameter, &ssm.PutParameterInput{
		Name: aws.String(" /app/db/url "), Value: aws.String("one"), Type: "String", Description: aws.String("about"), AllowedPattern: aws.String("[a-z]+"),
		Tags: []ssmtypes.Tag{{Key: aws.String("k"), Value: aws.String("v")}}, DataType: aws.String("text"),
	})
	if out.Version != 1 || out.Tier != ssmtypes.ParameterTierStandard {
		t.Errorf("made: %+v", out)
	}
	refused(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("/app/db/url"), Value: aws.String("two"), Type: "String"}, "ParameterAlreadyExists", "set the overwrite option in the request to true")
	b.clock.Advance(time.Minute)
	if out := do(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("/app/db/url"), Value: aws.String("two"), Overwrite: aws.Bool(true)}); out.Version != 2 {
		t.Errorf("overwritten: %+v", out)
	}
	got := b.get("/app/db/url")
	if *got.Value != "two" || got.Version != 2 || got.Type != "String" || *got.ARN != parameterPrefix+"/app/db/url" || *got.DataType != "text" || !got.LastModifiedDate.Equal(b.clock.Now()) || got.Selector != nil {
		t.Errorf("got %+v", got)
	}
	// What an overwriting call leaves out stays.
	listed := do(b, b.DescribeParameters, &ssm.DescribeParametersInput{}).Parameters
	if len(listed) != 1 || *listed[0].Description != "about" || *listed[0].AllowedPattern != "[a-z]+" || listed[0].KeyId != nil || *listed[0].LastModifiedUser != call.From(b.ctx).Principal.ARN || listed[0].Version != 2 {
		t.Errorf("described: %+v", listed)
	}
	if one := b.get("/app/db/url:1"); *one.Value != "one" || *one.Selector != ":1" || *one.Name != "/app/db/url" {
		t.Errorf("version 1: %+v", one)
	}
	if one := b.get(parameterPrefix + "/app/db/url:1"); *one.Value != "one" || *one.Name != "/app/db/url" {
		t.Errorf("version 1 by ARN: %+v", one)
	}
}

// At the top a name is the same with and without a slash.
func TestNamesAtTheTop(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.parameter("top", "1")
	refused(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("/top"), Value: aws.String("2"), Type: "String"}, "ParameterAlreadyExists", "")
	for name, want := range map[string]string{"top": "top", "/top": "/top", parameterPrefix + "/top": "top"} {
		if got := b.get(name); *got.Name != want || *got.Value != "1" || *got.ARN != parameterPrefix+"/top" {
			t.Errorf("%s: %+v", name, got)
		}
	}
	if got := do(b, b.GetParametersByPath, &ssm.GetParametersByPathInput{Path: aws.String("/")}).Parameters; len(got) != 1 || *got[0].Name != "top" {
		t.Errorf("by path: %+v", got)
	}
	do(b, b.DeleteParameter, &ssm.DeleteParameterInput{Name: aws.String("/top")})
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String("top")}, "ParameterNotFound", "top")
}

func TestParameterNames(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	deep := strings.Repeat("/a", 15)
	for name, code := range map[string]string{
		"a": "", "/a": "", "/a/b": "", "A.b-c_d": "", deep: "", deep + "/b": "HierarchyLevelLimitExceededException",
		"a/b": "ValidationException", "/a//b": "ValidationException", "/a/": "ValidationException", "/": "ValidationException", "a b": "ValidationException",
		"a:b": "ValidationException", "é": "ValidationException", "": "ValidationException", "{a}": "ValidationException", parameterPrefix + "/a": "ValidationException",
		"awsome": "ValidationException", "AWS": "ValidationException", "/ssm-x": "ValidationException", "/ssm/x": "ValidationException", "/aws/x": "AccessDeniedException",
		"/a" + strings.Repeat("b", 1011-len(parameterPrefix)-2): "", "/a" + strings.Repeat("c", 1011-len(parameterPrefix)-1): "ValidationException",
	} {
		_, err := b.PutParameter(b.ctx, &ssm.PutParameterInput{Name: &name, Value: aws.String("v"), Type: "String", Overwrite: aws.Bool(true)})
		switch {
		case code == "" && err != nil:
			t.Errorf("%q: %v", name, err)
		case code != "":
			wantError(t, name, err, code, "")
		}
	}
	refused(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("a/b"), Value: aws.String("v"), Type: "String"}, "ValidationException", "Parameter name must be a fully qualified name.")
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String("a/b")}, "ValidationException", "sub-paths divided by slash symbol")
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String("/aws/service/ami")}, "ParameterNotFound", "")
}

func TestParameterValues(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	big, bigger := strings.Repeat("x", 4097), strings.Repeat("x", 8193)
	const standard, advanced, intelligent = ssmtypes.ParameterTierStandard, ssmtypes.ParameterTierAdvanced, ssmtypes.ParameterTierIntelligentTiering
	for i, tt := range []struct {
		in   ssm.PutParameterInput
		code string
		tier ssmtypes.ParameterTier
	}{
		{ssm.PutParameterInput{Value: &big}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: &big, Tier: standard}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: &big, Tier: advanced}, "", advanced},
		{ssm.PutParameterInput{Value: &big, Tier: intelligent}, "", advanced},
		{ssm.PutParameterInput{Value: aws.String("x"), Tier: intelligent}, "", standard},
		{ssm.PutParameterInput{Value: aws.String("x"), Tier: advanced}, "", advanced},
		{ssm.PutParameterInput{Value: &bigger, Tier: advanced}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: &bigger, Tier: intelligent}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("")}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("a {{ssm:b}}")}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("{a}}")}, "", standard},
		{ssm.PutParameterInput{Value: aws.String("12"), AllowedPattern: aws.String(`\d+`)}, "", standard},
		{ssm.PutParameterInput{Value: aws.String("1a"), AllowedPattern: aws.String(`\d+`)}, "ParameterPatternMismatchException", ""},
		{ssm.PutParameterInput{Value: aws.String("ab"), AllowedPattern: aws.String(`a|ab`)}, "", standard},
		{ssm.PutParameterInput{Value: aws.String("12"), AllowedPattern: aws.String(`(`)}, "InvalidAllowedPatternException", ""},
		{ssm.PutParameterInput{Value: aws.String("12"), AllowedPattern: aws.String(`(?=1)12`)}, "InvalidAllowedPatternException", ""},
		{ssm.PutParameterInput{Value: aws.String("12"), AllowedPattern: aws.String(`)(`)}, "InvalidAllowedPatternException", ""},
		{ssm.PutParameterInput{Value: aws.String("v"), KeyId: aws.String("alias/k")}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("v"), DataType: aws.String("aws:ec2:image")}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("v"), DataType: aws.String("TEXT")}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("v"), Policies: aws.String(`[{"Type":"Expiration"}]`)}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("v"), Policies: aws.String(`[]`)}, "", standard},
		{ssm.PutParameterInput{Value: aws.String("v"), Tags: []ssmtypes.Tag{{Key: aws.String("aws:x"), Value: aws.String("")}}}, "ValidationException", ""},
		{ssm.PutParameterInput{Value: aws.String("v"), Overwrite: aws.Bool(true), Tags: []ssmtypes.Tag{{Key: aws.String("x"), Value: aws.String("")}}}, "ValidationException", ""},
	} {
		tt.in.Name, tt.in.Type = aws.String(fmt.Sprintf("p%d", i)), "String"
		out, err := b.PutParameter(b.ctx, &tt.in)
		if tt.code != "" {
			wantError(t, fmt.Sprintf("%d", i), err, tt.code, "")
			refused(b, b.GetParameter, &ssm.GetParameterInput{Name: tt.in.Name}, "ParameterNotFound", "")
			continue
		}
		if err != nil || out.Tier != tt.tier {
			t.Errorf("%d: %+v, %v", i, out, err)
		} else if got := b.get(*tt.in.Name); *got.Value != *tt.in.Value {
			t.Errorf("%d: value %.40q", i, *got.Value)
		}
	}
	refused(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("new"), Value: aws.String("v")}, "ValidationException", "A parameter type is required when you create a parameter.")
	// p2 is in the advanced tier by now, and stays there.
	refused(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("p2"), Value: aws.String("v"), Overwrite: aws.Bool(true), Tier: standard}, "ValidationException", "You can't downgrade")
	if out := do(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("p2"), Value: &big, Overwrite: aws.Bool(true)}); out.Tier != advanced {
		t.Errorf("overwritten: %+v", out)
	}
	// The pattern of the twelfth holds for what overwrites its value too.
	refused(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("p11"), Value: aws.String("v"), Overwrite: aws.Bool(true)}, "ParameterPatternMismatchException", `\d+`)
}

func TestSecureString(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name := aws.String("/s/secret")
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: name, Value: aws.String("hidden"), Type: "SecureString"})
	b.put("/s/plain", "shown")
	for _, decrypt := range []bool{false, true} {
		by := map[string]string{}
		for _, p := range do(b, b.GetParametersByPath, &ssm.GetParametersByPathInput{Path: aws.String("/s"), WithDecryption: &decrypt}).Parameters {
			by["path "+*p.Name] = *p.Value
		}
		for _, p := range do(b, b.GetParameters, &ssm.GetParametersInput{Names: []string{*name}, WithDecryption: &decrypt}).Parameters {
			by["names"] = *p.Value
		}
		by["name"] = *do(b, b.GetParameter, &ssm.GetParameterInput{Name: name, WithDecryption: &decrypt}).Parameter.Value
		by["history"] = *do(b, b.GetParameterHistory, &ssm.GetParameterHistoryInput{Name: name, WithDecryption: &decrypt}).Parameters[0].Value
		if len(by) != 5 || by["path /s/plain"] != "shown" {
			t.Errorf("decrypted %v: %q", decrypt, by)
		}
		delete(by, "path /s/plain")
		for how, value := range by {
			if _, err := base64.StdEncoding.DecodeString(value); decrypt != (value == "hidden") || !decrypt && (err != nil || strings.Contains(value, "hidden")) {
				t.Errorf("by %s, decrypted %v: %q", how, decrypt, value)
			}
		}
	}
	key := func() string {
		return aws.ToString(do(b, b.DescribeParameters, &ssm.DescribeParametersInput{ParameterFilters: []ssmtypes.ParameterStringFilter{{Key: aws.String("Name"), Values: []string{*name}}}}).Parameters[0].KeyId)
	}
	if key() != "alias/aws/ssm" {
		t.Errorf("key %q", key())
	}
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: name, Value: aws.String("2"), Overwrite: aws.Bool(true), KeyId: aws.String("alias/own")})
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: name, Value: aws.String("3"), Overwrite: aws.Bool(true)})
	if key() != "alias/own" {
		t.Errorf("key %q", key())
	}
	// The type may change, and each version keeps its own.
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: name, Value: aws.String("4"), Overwrite: aws.Bool(true), Type: "String"})
	if got := do(b, b.GetParameter, &ssm.GetParameterInput{Name: name}).Parameter; *got.Value != "4" || got.Type != "String" || key() != "" {
		t.Errorf("as a String: %+v, key %q", got, key())
	}
	if got := do(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String(*name + ":3")}).Parameter; got.Type != "SecureString" || *got.Value == "3" {
		t.Errorf("version 3: %+v", got)
	}
}

func TestGetParameters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("a", "1")
	b.put("a", "2")
	b.put("/b/c", "3")
	out := do(b, b.GetParameters, &ssm.GetParametersInput{Names: []string{"a", "a:1", "a", "a:9", "a:label", "absent", "/b/c", strings.Replace(parameterPrefix, testRegion, "us-east-1", 1) + "/a"}})
	var got []string
	for _, p := range out.Parameters {
		got = append(got, *p.Name+aws.ToString(p.Selector)+"="+*p.Value)
	}
	if !slices.Equal(got, []string{"a=2", "a:1=1", "/b/c=3"}) || len(out.InvalidParameters) != 4 {
		t.Errorf("got %q, invalid %q", got, out.InvalidParameters)
	}
	refused(b, b.GetParameters, &ssm.GetParametersInput{Names: []string{"a", "b/c"}}, "ValidationException", "")
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String("a:9")}, "ParameterVersionNotFound", "Systems Manager could not find version 9 of a. Verify the version and try again.")
	for _, selector := range []string{"a:", "a:0", "a:1:2", "a:9x", "a:+1", "a:99999999999999999999"} {
		refused(b, b.GetParameter, &ssm.GetParameterInput{Name: &selector}, "ValidationException", "")
	}
}

func TestParameterHistory(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 150 {
		b.put("p", fmt.Sprint(i+1))
	}
	history := func(size int32) (versions []int64) {
		in := &ssm.GetParameterHistoryInput{Name: aws.String("p"), MaxResults: &size}
		for {
			out := do(b, b.GetParameterHistory, in)
			for _, p := range out.Parameters {
				if *p.Value != fmt.Sprint(p.Version) {
					t.Errorf("version %d has the value %s", p.Version, *p.Value)
				}
				versions = append(versions, p.Version)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return versions
			}
		}
	}
	for _, size := range []int32{7, 50} {
		if got := history(size); len(got) != 100 || got[0] != 51 || got[99] != 150 {
			t.Errorf("%d at a time: %d versions, %v", size, len(got), got)
		}
	}
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String("p:50")}, "ParameterVersionNotFound", "")
	refused(b, b.GetParameterHistory, &ssm.GetParameterHistoryInput{Name: aws.String("p"), NextToken: aws.String("x")}, "InvalidNextToken", "")
	refused(b, b.GetParameterHistory, &ssm.GetParameterHistoryInput{Name: aws.String("absent")}, "ParameterNotFound", "")

	// A label holds the oldest version, and with it all new ones back.
	do(b, b.LabelParameterVersion, &ssm.LabelParameterVersionInput{Name: aws.String("p"), ParameterVersion: aws.Int64(51), Labels: []string{"keep"}})
	refused(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("p"), Value: aws.String("151"), Overwrite: aws.Bool(true)}, "ParameterMaxVersionLimitExceeded", "Version 51, the oldest version, can't be deleted")
	do(b, b.LabelParameterVersion, &ssm.LabelParameterVersionInput{Name: aws.String("p"), Labels: []string{"keep"}})
	b.put("p", "151")
	if got := b.get("p:keep"); *got.Value != "150" || *got.Selector != ":keep" {
		t.Errorf("by label: %+v", got)
	}

	do(b, b.DeleteParameter, &ssm.DeleteParameterInput{Name: aws.String("p")})
	for _, kind := range []string{kindParameter, kindHistory} {
		if left, err := b.store.List(b.ctx, kind, "", "", 0); err != nil || len(left) > 0 {
			t.Errorf("%s: %d records are left, %v", kind, len(left), err)
		}
	}
	if v := b.put("p", "1"); v != 1 {
		t.Errorf("the first version after a deletion is %d", v)
	}
}

func TestLabels(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	name := aws.String("/p/q")
	b.put(*name, "1")
	b.put(*name, "2")
	label := func(version *int64, labels ...string) *ssm.LabelParameterVersionOutput {
		t.Helper()
		return do(b, b.LabelParameterVersion, &ssm.LabelParameterVersionInput{Name: name, ParameterVersion: version, Labels: labels})
	}
	out := label(nil, "prod", "1st", "aws-x", "SSM", "a b", "_ok.-9")
	if out.ParameterVersion != 2 || !slices.Equal(out.InvalidLabels, []string{"1st", "aws-x", "SSM", "a b"}) {
		t.Errorf("labelled: %+v", out)
	}
	label(aws.Int64(1), "prod")
	labels := func() (out [][]string) {
		for _, p := range do(b, b.GetParameterHistory, &ssm.GetParameterHistoryInput{Name: name}).Parameters {
			out = append(out, p.Labels)
		}
		return out
	}
	if got := labels(); !reflect.DeepEqual(got, [][]string{{"prod"}, {"_ok.-9"}}) {
		t.Errorf("labels %q", got)
	}
	if got := b.get("/p/q:prod"); *got.Value != "1" {
		t.Errorf("by label: %+v", got)
	}
	by := do(b, b.GetParametersByPath, &ssm.GetParametersByPathInput{Path: aws.String("/p"), ParameterFilters: []ssmtypes.ParameterStringFilter{{Key: aws.String("Label"), Values: []string{"prod"}}}}).Parameters
	if len(by) != 1 || *by[0].Value != "1" || *by[0].Selector != ":prod" || by[0].Version != 1 {
		t.Errorf("by path and label: %+v", by)
	}
	taken := do(b, b.UnlabelParameterVersion, &ssm.UnlabelParameterVersionInput{Name: name, ParameterVersion: aws.Int64(1), Labels: []string{"prod", "_ok.-9"}})
	if !slices.Equal(taken.RemovedLabels, []string{"prod"}) || !slices.Equal(taken.InvalidLabels, []string{"_ok.-9"}) {
		t.Errorf("taken: %+v", taken)
	}
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String("/p/q:prod")}, "ParameterVersionNotFound", "")
	refused(b, b.LabelParameterVersion, &ssm.LabelParameterVersionInput{Name: name, ParameterVersion: aws.Int64(3), Labels: []string{"x"}}, "ParameterVersionNotFound", "version 3 of /p/q")
	refused(b, b.LabelParameterVersion, &ssm.LabelParameterVersionInput{Name: aws.String("absent"), Labels: []string{"x"}}, "ParameterNotFound", "")
	label(nil, "b", "c", "d", "e", "f", "g", "h", "i", "j")
	refused(b, b.LabelParameterVersion, &ssm.LabelParameterVersionInput{Name: name, Labels: []string{"k"}}, "ParameterVersionLabelLimitExceeded", "")
	if got := labels(); len(got[1]) != 10 {
		t.Errorf("a refusal has left %q", got[1])
	}
	b.put(*name, "3")
	label(nil, "j")
	if got := labels(); len(got[1]) != 9 || !slices.Equal(got[2], []string{"j"}) {
		t.Errorf("labels %q", got)
	}
}

func TestGetParametersByPath(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for _, name := range []string{"/a/x", "/a/y", "/a/b/z", "/a/b/c/w", "/ab/x", "top"} {
		b.put(name, name)
	}
	list := func(in *ssm.GetParametersByPathInput) string {
		t.Helper()
		var names []string
		for {
			out := do(b, b.GetParametersByPath, in)
			for _, p := range out.Parameters {
				names = append(names, *p.Name)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return strings.Join(names, " ")
			}
		}
	}
	for _, tt := range []struct {
		path      string
		recursive bool
		want      string
	}{
		{"/a", false, "/a/x /a/y"}, {"/a/", false, "/a/x /a/y"}, {"/a", true, "/a/b/c/w /a/b/z /a/x /a/y"}, {"/a/b", true, "/a/b/c/w /a/b/z"}, {"/a/x", true, ""},
		{"/", false, "top"}, {"/", true, "/a/b/c/w /a/b/z /a/x /a/y /ab/x top"}, {"/absent", true, ""}, {"/aws/service", true, ""},
	} {
		for _, size := range []int32{1, 2, 10} {
			if got := list(&ssm.GetParametersByPathInput{Path: &tt.path, Recursive: &tt.recursive, MaxResults: &size}); got != tt.want {
				t.Errorf("%s, recursive %v, %d at a time: %s, want %s", tt.path, tt.recursive, size, got, tt.want)
			}
		}
	}
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("/a/s"), Value: aws.String("s"), Type: "SecureString", KeyId: aws.String("alias/k1")})
	filter := func(key, option string, values ...string) []ssmtypes.ParameterStringFilter {
		return []ssmtypes.ParameterStringFilter{{Key: &key, Option: optional(option), Values: values}}
	}
	for want, filters := range map[string][]ssmtypes.ParameterStringFilter{
		"/a/s": filter("Type", "", "SecureString"), "/a/x /a/y": filter("Type", "", "String", "StringList"), "/a/s /a/x /a/y": nil, "": filter("KeyId", "", "alias/k"),
	} {
		if got := list(&ssm.GetParametersByPathInput{Path: aws.String("/a"), ParameterFilters: filters}); got != want {
			t.Errorf("%+v: %s, want %s", filters, got, want)
		}
	}
	if got := list(&ssm.GetParametersByPathInput{Path: aws.String("/a"), ParameterFilters: filter("KeyId", "BeginsWith", "alias/k")}); got != "/a/s" {
		t.Errorf("by key: %s", got)
	}
	for _, path := range []string{"a", "", "/a b", "//", "/a//b"} {
		refused(b, b.GetParametersByPath, &ssm.GetParametersByPathInput{Path: &path}, "ValidationException", `must begin with a forward slash "/"`)
	}
	refused(b, b.GetParametersByPath, &ssm.GetParametersByPathInput{Path: aws.String("/a"), ParameterFilters: filter("Name", "", "x")}, "InvalidFilterKey", "Name")
	refused(b, b.GetParametersByPath, &ssm.GetParametersByPathInput{Path: aws.String("/a"), ParameterFilters: filter("Label", "BeginsWith", "x")}, "InvalidFilterOption", "BeginsWith")
	refused(b, b.GetParametersByPath, &ssm.GetParametersByPathInput{Path: aws.String("/a"), NextToken: aws.String("!")}, "InvalidNextToken", "")
}

func TestDescribeParameters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	for i := range 12 {
		b.put(fmt.Sprintf("/n/%02d", i), "v")
	}
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("top"), Value: aws.String("v"), Type: "StringList", Tier: "Advanced", Tags: []ssmtypes.Tag{{Key: aws.String("Stage"), Value: aws.String("prod")}}})
	do(b, b.PutParameter, &ssm.PutParameterInput{Name: aws.String("/n/sub/secure"), Value: aws.String("v"), Type: "SecureString"})
	list := func(in *ssm.DescribeParametersInput) (names []string) {
		t.Helper()
		for {
			out := do(b, b.DescribeParameters, in)
			for _, p := range out.Parameters {
				names = append(names, *p.Name)
			}
			if in.NextToken = out.NextToken; in.NextToken == nil {
				return names
			}
		}
	}
	if got := list(&ssm.DescribeParametersInput{}); len(got) != 14 || !slices.IsSorted(got) {
		t.Errorf("all: %q", got)
	}
	filters := func(text string) (out []ssmtypes.ParameterStringFilter) {
		for _, one := range strings.Fields(text) {
			parts := strings.Split(one, "|")
			f := ssmtypes.ParameterStringFilter{Key: &parts[0], Option: optional(parts[1])}
			if parts[2] != "" {
				f.Values = strings.Split(parts[2], ",")
			}
			out = append(out, f)
		}
		return out
	}
	for text, want := range map[string]string{
		"Name||top": "top", "Name||/top": "top", "Name|BeginsWith|/n/1": "/n/10 /n/11", "Name|Contains|sub,top": "/n/sub/secure top", "Type||StringList,SecureString": "/n/sub/secure top",
		"Tier||Advanced": "top", "Path||/": "top", "Path|Recursive|/n/sub": "/n/sub/secure", "Path|OneLevel|/n/sub,/": "/n/sub/secure top", "tag:Stage||prod": "top", "tag:Stage||": "top",
		"tag:Stage||test": "", "tag:stage||": "", "KeyId||alias/aws/ssm": "/n/sub/secure", "DataType||text Name||top": "top", "DataType||aws:ec2:image": "", "Name||top Type||String": "",
	} {
		if got := strings.Join(list(&ssm.DescribeParametersInput{ParameterFilters: filters(text)}), " "); got != want {
			t.Errorf("%s: %q, want %q", text, got, want)
		}
	}
	for text, code := range map[string]string{
		"Label||x": "InvalidFilterKey", "Name||a Name||b": "InvalidFilterKey", "Name||": "InvalidFilterValue", "Name|Recursive|a": "InvalidFilterOption", "Path|Equals|/a": "InvalidFilterOption",
		"Type||Text": "InvalidFilterOption", "Path||a": "ValidationException", "Path||/aws/x": "ValidationException", "tag:a|BeginsWith|b": "InvalidFilterOption",
	} {
		refused(b, b.DescribeParameters, &ssm.DescribeParametersInput{ParameterFilters: filters(text)}, code, "")
	}
	older := []ssmtypes.ParametersFilter{{Key: "Name", Values: []string{"/n/1"}}}
	if got := list(&ssm.DescribeParametersInput{Filters: older}); len(got) != 2 {
		t.Errorf("the older form of filters: %q", got)
	}
	refused(b, b.DescribeParameters, &ssm.DescribeParametersInput{Filters: older, ParameterFilters: filters("Name||a")}, "ValidationException", "either Filters or ParameterFilters")
	if got := list(&ssm.DescribeParametersInput{Shared: aws.Bool(true)}); len(got) != 0 {
		t.Errorf("shared ones: %q", got)
	}
}

func TestDeleteParameters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("a", "1")
	b.put("/b/c", "2")
	out := do(b, b.DeleteParameters, &ssm.DeleteParametersInput{Names: []string{"a", "absent", "/b/c", "x y", "a"}})
	if !slices.Equal(out.DeletedParameters, []string{"a", "/b/c"}) || !slices.Equal(out.InvalidParameters, []string{"absent", "x y"}) {
		t.Errorf("deleted %q, invalid %q", out.DeletedParameters, out.InvalidParameters)
	}
	refused(b, b.DeleteParameter, &ssm.DeleteParameterInput{Name: aws.String("a")}, "ParameterNotFound", "a")
}

func TestParameterTags(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	b.put("p", "1")
	id, tag := aws.String("p"), func(k, v string) ssmtypes.Tag { return ssmtypes.Tag{Key: &k, Value: &v} }
	do(b, b.AddTagsToResource, &ssm.AddTagsToResourceInput{ResourceType: "Parameter", ResourceId: id, Tags: []ssmtypes.Tag{tag("b", "1"), tag("a", "2")}})
	do(b, b.AddTagsToResource, &ssm.AddTagsToResourceInput{ResourceType: "Parameter", ResourceId: aws.String("/p"), Tags: []ssmtypes.Tag{tag("c", "3"), tag("b", "4")}})
	do(b, b.RemoveTagsFromResource, &ssm.RemoveTagsFromResourceInput{ResourceType: "Parameter", ResourceId: id, TagKeys: []string{"c", "absent"}})
	b.put("p", "2") // tags are not of a version
	got := do(b, b.ListTagsForResource, &ssm.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: id}).TagList
	if !reflect.DeepEqual(got, []ssmtypes.Tag{tag("a", "2"), tag("b", "4")}) {
		t.Errorf("tags: %+v", got)
	}
	refused(b, b.ListTagsForResource, &ssm.ListTagsForResourceInput{ResourceType: "Parameter", ResourceId: aws.String("absent")}, "InvalidResourceId", "")
	refused(b, b.ListTagsForResource, &ssm.ListTagsForResourceInput{ResourceType: "Document", ResourceId: id}, "InvalidResourceType", "Document")
	var many []ssmtypes.Tag
	for i := range 49 {
		many = append(many, tag(fmt.Sprint(i), ""))
	}
	refused(b, b.AddTagsToResource, &ssm.AddTagsToResourceInput{ResourceType: "Parameter", ResourceId: id, Tags: many}, "TooManyTagsError", "")
}

// Secrets can be read as parameters.
func TestSecretsAsParameters(t *testing.T) {
	t.Parallel()
	b := newBench(t)
	arn, first := b.secret("team/db+x", "one")
	do(b, b.PutSecretValue, &secretsmanager.PutSecretValueInput{SecretId: arn, SecretString: aws.String("two"), ClientRequestToken: token()})
	const name = referencePath + "team/db+x"
	got := b.get(name)
	if *got.Value != "two" || *got.Name != name || got.Type != "SecureString" || *got.ARN != parameterPrefix+name {
		t.Errorf("got %+v", got)
	}
	var source struct {
		ARN, Name     string
		VersionStages []string
	}
	if err := json.Unmarshal([]byte(*got.SourceResult), &source); err != nil || source.ARN != *arn || source.Name != "team/db+x" || !slices.Equal(source.VersionStages, []string{"AWSCURRENT"}) {
		t.Errorf("source %s: %v", *got.SourceResult, err)
	}
	for _, selector := range []string{"AWSPREVIOUS", *first} {
		if got := b.get(name + ":" + selector); *got.Value != "one" || *got.Selector != ":"+selector {
			t.Errorf("%s: %+v", selector, got)
		}
	}
	out := do(b, b.GetParameters, &ssm.GetParametersInput{Names: []string{name, referencePath + "absent"}, WithDecryption: aws.Bool(true)})
	if len(out.Parameters) != 1 || !slices.Equal(out.InvalidParameters, []string{referencePath + "absent"}) {
		t.Errorf("got %+v", out)
	}
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String(name)}, "ValidationException", "WithDecryption flag must be True")
	refused(b, b.GetParameter, &ssm.GetParameterInput{Name: aws.String(referencePath + "absent"), WithDecryption: aws.Bool(true)}, "ParameterNotFound", "Secret "+referencePath+"absent not found.")
	refused(b, b.GetParameterHistory, &ssm.GetParameterHistoryInput{Name: aws.String(name)}, "ValidationException", "")
}
