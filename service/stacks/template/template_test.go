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

// world is a Lookup of which tests know all.
type world struct {
	refs    map[string]any
	atts    map[string]any // "Id.Attribute"
	exports map[string]any
	secrets map[string]string // "service:reference"
}

func (w world) Ref(id string) (any, error) {
	if v, ok := w.refs[id]; ok {
		return v, nil
	}
	return template.Unknown{}, nil
}

func (w world) GetAtt(id, attribute string) (any, error) {
	if v, ok := w.atts[id+"."+attribute]; ok {
		return v, nil
	}
	return template.Unknown{}, nil
}

var errNoExport = errors.New("no such export")

func (w world) Import(name string) (any, error) {
	if v, ok := w.exports[name]; ok {
		return v, nil
	}
	return nil, fmt.Errorf("No export named %s found.: %w", name, errNoExport)
}

func (w world) Dynamic(_ context.Context, service, reference string) (string, error) {
	if v, ok := w.secrets[service+":"+reference]; ok {
		return v, nil
	}
	return "", fmt.Errorf("nothing at %s:%s", service, reference)
}

func load(t testing.TB, text string) (*template.Template, error) {
	t.Helper()
	doc, err := template.Parse([]byte(text))
	if err != nil {
		t.Fatalf("Parse: %v\n%s", err, text)
	}
	return template.Load(doc.Root, doc.At)
}

func bind(t testing.TB, text string, given map[string]string) (*template.Bound, error) {
	t.Helper()
	tpl, err := load(t, text)
	if err != nil {
		t.Fatalf("Load: %v\n%s", err, text)
	}
	args, err := tpl.Arguments(t.Context(), given, nil)
	if err != nil {
		t.Fatalf("Arguments: %v\n%s", err, text)
	}
	return tpl.Bind(scope(args))
}

func scope(args template.Arguments) template.Scope {
	return template.Scope{
		Account: "111122223333", Region: "eu-central-1", StackName: "shop", StackID: "arn:aws:cloudformation:eu-central-1:111122223333:stack/shop/1",
		NotificationARNs: []string{"arn:aws:sns:eu-central-1:111122223333:ops"}, Arguments: args,
	}
}

func TestFromTextToProperties(t *testing.T) {
	t.Parallel()
	b, err := bind(t, `
AWSTemplateFormatVersion: 2010-09-09
Parameters:
  Stage: {Type: String, Default: dev}
  Names: {Type: CommaDelimitedList, Default: "a, b"}
Conditions:
  Prod: !Equals [!Ref Stage, prod]
Resources:
  Bucket:
    Type: AWS::S3::Bucket
  Archive:
    Type: AWS::S3::Bucket
    Condition: Prod
  Function:
    Type: AWS::Lambda::Function
    DependsOn: Archive
    Properties:
      Role: !GetAtt Role.Arn
      Timeout: !If [Prod, 30, !Ref AWS::NoValue]
      Version: 2.0
      Environment:
        Variables:
          BUCKET: !Sub "${AWS::StackName}/${Bucket}/${!Literal}"
          NAMES: !Join ["+", !Ref Names]
          ARCHIVE: !If [Prod, !Ref Archive, none]
  Role:
    Type: AWS::IAM::Role
Outputs:
  Arn: {Value: !GetAtt Function.Arn, Export: {Name: !Sub "${AWS::StackName}-arn"}}
`, nil)
	if err != nil {
		t.Fatal(err)
	}
	want := map[string][]string{"Bucket": {}, "Role": {}, "Function": {"Bucket", "Role"}}
	if got := b.Dependencies(); !reflect.DeepEqual(got, want) {
		t.Errorf("dependencies %v, want %v", got, want)
	}
	props, err := b.Properties(t.Context(), "Function", world{refs: map[string]any{"Bucket": "shop-bucket-1"}})
	if err != nil {
		t.Fatal(err)
	}
	text, err := template.JSON(props)
	if err != nil {
		t.Fatal(err)
	}
	wantText := `{"Environment":{"Variables":{"ARCHIVE":"none","BUCKET":"shop/shop-bucket-1/${Literal}","NAMES":"a+b"}},"Role":"{{changeSet:KNOWN_AFTER_APPLY}}","Version":2.0}`
	if string(text) != wantText {
		t.Errorf("properties\n%s, want\n%s", text, wantText)
	}
	outputs, err := b.Outputs(t.Context(), world{atts: map[string]any{"Function.Arn": "arn:f"}})
	if err != nil {
		t.Fatal(err)
	}
	if want := []template.OutputValue{{Name: "Arn", Value: "arn:f", Export: "shop-arn"}}; !reflect.DeepEqual(outputs, want) {
		t.Errorf("outputs %+v, want %+v", outputs, want)
	}
}

func TestErrorsNameThePlace(t *testing.T) {
	t.Parallel()
	_, err := load(t, "Resources:\n  A:\n    Type: AWS::S3::Bucket\n    Properties:\n      BucketName: !Ref Nope\n")
	if err == nil {
		t.Fatal("a reference to nothing was accepted")
	}
	if want := "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template (/Resources/A/Properties/BucketName/Ref, line 5, column 7)"; err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	var e *template.Error
	if !errors.As(err, &e) || !strings.HasSuffix(e.Message, "of the template") || e.Position.Line != 5 {
		t.Errorf("%#v", e)
	}
}
