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

func TestDynamicReferences(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		yaml    string
		options []template.Option
		want    any
	}{
		{"'{{resolve:ssm:/p}}'", nil, "plain"},
		{"'a {{resolve:ssm:/p}}{{resolve:secretsmanager:s:SecretString:k}} b'", nil, "a plainsecret b"},
		{"!Sub ['{{resolve:ssm:/${v}}}', {v: p}]", nil, "plain"},
		{"!Join ['', ['{{', 'resolve:ssm:/', p, '}}']]", nil, "plain"},
		{"[{a: '{{resolve:ssm-secure:q:3}}'}]", nil, []any{map[string]any{"a": "secure"}}},
		{"'{{resolve:ssm:/p}}'", []template.Option{template.KeepDynamic}, "{{resolve:ssm:/p}}"},
		{"'{{resolve:ssm:/p}} {{resolve:secretsmanager:s:SecretString:k}} {{resolve:ssm-secure:q:3}}'", []template.Option{template.KeepSecrets}, "plain {{resolve:secretsmanager:s:SecretString:k}} {{resolve:ssm-secure:q:3}}"},
		{"'{{Resolve:ssm:/p}} {{ resolve:ssm:/p }} {resolve:ssm:/p}'", nil, "{{Resolve:ssm:/p}} {{ resolve:ssm:/p }} {resolve:ssm:/p}"},
		{"!Ref U", nil, template.Unknown{}},
	} {
		got, err := evaluate(t, c.yaml, c.options...)
		if err != nil || !reflect.DeepEqual(got, c.want) {
			t.Errorf("%s gives %v, %v, want %v", c.yaml, got, err, c.want)
		}
	}
	for _, c := range []struct{ yaml, want string }{
		{"'{{resolve:ssm:/p'", "Template error: the dynamic reference {{resolve:ssm:/p… is malformed."},
		{"'{{resolve:vault:/p}}'", "Template error: the dynamic reference {{resolve:vault:/p}} is malformed."},
		{"'{{resolve:ssm:/p:latest}}'", "Template error: the dynamic reference {{resolve:ssm:/p:latest}} is malformed."},
		{"'{{resolve:ssm:a b}}'", "Template error: the dynamic reference {{resolve:ssm:a b}} is malformed."},
		{"'{{resolve:ssm:}}'", "Template error: the dynamic reference {{resolve:ssm:}} is malformed."},
		{"'{{resolve:ssm:/nope}}'", "nothing at ssm:/nope"},
		{"!Join ['', !Split [',', '" + strings.Repeat("{{resolv,e:ssm:/p}}", 61) + "']]", "Template error: there are more than 60 dynamic references"},
	} {
		_, err := evaluate(t, c.yaml)
		var e *template.Error
		if !errors.As(err, &e) || e.Message != c.want || e.Position.Line != 21 {
			t.Errorf("%s: %v, want %s", c.yaml, err, c.want)
		}
	}
}

// What a reference stands for is text, whatever it looks like.
func TestDynamicReferencesAreResolvedOnce(t *testing.T) {
	t.Parallel()
	b, err := bind(t, "Resources: {R: {Type: T, Properties: {V: '{{resolve:ssm:a}}'}}}", nil)
	if err != nil {
		t.Fatal(err)
	}
	got, err := b.Properties(t.Context(), "R", world{secrets: map[string]string{"ssm:a": "{{resolve:secretsmanager:b}}"}})
	if err != nil || got["V"] != "{{resolve:secretsmanager:b}}" {
		t.Errorf("%v, %v", got, err)
	}
}

// Outputs and metadata are shown: secrets do not get there.
func TestSecretsStayOutOfWhatIsShown(t *testing.T) {
	t.Parallel()
	b, err := bind(t, "Resources: {R: {Type: T, Metadata: {V: '{{resolve:ssm:/p}}'}}}\nOutputs: {O: {Value: '{{resolve:ssm:/p}} {{resolve:secretsmanager:s:SecretString:k}} {{resolve:ssm-secure:q:3}}'}}", nil)
	if err != nil {
		t.Fatal(err)
	}
	outputs, err := b.Outputs(t.Context(), everything)
	if want := "plain {{resolve:secretsmanager:s:SecretString:k}} {{resolve:ssm-secure:q:3}}"; err != nil || outputs[0].Value != want {
		t.Errorf("%v, %v, want %s", outputs, err, want)
	}
	if outputs, err = b.Outputs(t.Context(), everything, template.KeepDynamic); err != nil || !strings.HasPrefix(outputs[0].Value.(string), "{{resolve:ssm:/p}}") {
		t.Errorf("%v, %v", outputs, err)
	}
	metadata, err := b.Metadata(t.Context(), "R", everything)
	if err != nil || metadata["V"] != "{{resolve:ssm:/p}}" {
		t.Errorf("%v, %v", metadata, err)
	}
}

func TestResolveDynamic(t *testing.T) {
	t.Parallel()
	tree := map[string]any{"a": []any{"{{resolve:ssm:/p}}", true, template.Unknown{}}, "b": "x{{resolve:secretsmanager:s:SecretString:k}}"}
	before := template.Clone(tree)
	got, err := template.ResolveDynamic(t.Context(), tree, everything.Dynamic)
	want := map[string]any{"a": []any{"plain", true, template.Unknown{}}, "b": "xsecret"}
	if err != nil || !reflect.DeepEqual(got, want) {
		t.Errorf("%v, %v, want %v", got, err, want)
	}
	if !reflect.DeepEqual(tree, before) {
		t.Errorf("the tree was changed: %v", tree)
	}
	got, err = template.ResolveDynamic(t.Context(), tree, everything.Dynamic, template.KeepSecrets)
	if err != nil || !reflect.DeepEqual(got.(map[string]any)["b"], tree["b"]) {
		t.Errorf("%v, %v", got, err)
	}
	cause := errors.New("denied")
	_, err = template.ResolveDynamic(t.Context(), tree, func(context.Context, string, string) (string, error) { return "", cause })
	var e *template.Error
	if !errors.As(err, &e) || !errors.Is(err, cause) || fmt.Sprint(e.Path) != "[a 0]" {
		t.Errorf("%#v", err)
	}
	huge := strings.Repeat("x", 1<<20)
	many := strings.Repeat("{{resolve:ssm:/p}}", 20)
	if _, err := template.ResolveDynamic(t.Context(), many, func(context.Context, string, string) (string, error) { return huge, nil }); err == nil || !strings.Contains(err.Error(), "more than 8 MB") {
		t.Errorf("20 MB of secrets: %.100v", err)
	}
}

func TestParseReference(t *testing.T) {
	t.Parallel()
	const arn = "arn:aws:secretsmanager:eu-central-1:111122223333:secret:db/main-AbCdEf"
	for _, c := range []struct {
		service, reference string
		want               template.DynamicReference
		ok                 bool
	}{
		{"ssm", "/a/b.c-d_e", template.DynamicReference{Service: "ssm", Name: "/a/b.c-d_e"}, true},
		{"ssm", "a:12", template.DynamicReference{Service: "ssm", Name: "a", Version: "12"}, true},
		{"ssm-secure", "a:1", template.DynamicReference{Service: "ssm-secure", Name: "a", Version: "1"}, true},
		{"ssm", "a:", template.DynamicReference{}, false},
		{"ssm", "a:1:2", template.DynamicReference{}, false},
		{"ssm", "a\\", template.DynamicReference{}, false},
		{"secretsmanager", "db/main", template.DynamicReference{Service: "secretsmanager", Name: "db/main"}, true},
		{"secretsmanager", "s:SecretString", template.DynamicReference{Service: "secretsmanager", Name: "s"}, true},
		{"secretsmanager", "s:SecretString:k", template.DynamicReference{Service: "secretsmanager", Name: "s", JSONKey: "k"}, true},
		{"secretsmanager", "s:SecretString:k::", template.DynamicReference{Service: "secretsmanager", Name: "s", JSONKey: "k"}, true},
		{"secretsmanager", "s:SecretString:k:AWSPREVIOUS", template.DynamicReference{Service: "secretsmanager", Name: "s", JSONKey: "k", VersionStage: "AWSPREVIOUS"}, true},
		{"secretsmanager", "s:SecretString:::v1", template.DynamicReference{Service: "secretsmanager", Name: "s", VersionID: "v1"}, true},
		{"secretsmanager", arn, template.DynamicReference{Service: "secretsmanager", Name: arn}, true},
		{"secretsmanager", arn + ":SecretString:k::", template.DynamicReference{Service: "secretsmanager", Name: arn, JSONKey: "k"}, true},
		{"secretsmanager", "s:SecretBinary", template.DynamicReference{}, false},
		{"secretsmanager", "s:SecretString:k:stage:id", template.DynamicReference{}, false},
		{"secretsmanager", "s:SecretString:k:::", template.DynamicReference{}, false},
		{"secretsmanager", "", template.DynamicReference{}, false},
		{"secretsmanager", "s\\", template.DynamicReference{}, false},
		{"s3", "a", template.DynamicReference{}, false},
	} {
		got, ok := template.ParseReference(c.service, c.reference)
		if ok != c.ok || ok && got != c.want {
			t.Errorf("%s:%s: %+v, %v, want %+v, %v", c.service, c.reference, got, ok, c.want, c.ok)
		}
	}
}
