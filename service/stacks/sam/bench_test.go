package sam_test

import (
	"fmt"
	"testing"

	"countersign/service/stacks/sam"
)

// A template of about 1 MB, CloudFormation's limit: one function with as many
// events of one API as fit.
func BenchmarkManyEvents(b *testing.B) {
	for _, kind := range []struct{ event, reference, api string }{
		{"Api", "RestApiId", "AWS::Serverless::Api"}, {"HttpApi", "ApiId", "AWS::Serverless::HttpApi"},
	} {
		events := map[string]any{}
		for i := range 8000 {
			events[fmt.Sprintf("E%d", i)] = map[string]any{"Type": kind.event, "Properties": map[string]any{
				kind.reference: map[string]any{"Ref": "A"}, "Path": fmt.Sprintf("/p%d/{id}", i), "Method": "get",
			}}
		}
		root := map[string]any{"Resources": map[string]any{
			"A": map[string]any{"Type": kind.api, "Properties": map[string]any{"StageName": "s"}},
			"F": map[string]any{"Type": "AWS::Serverless::Function", "Properties": map[string]any{
				"Runtime": "r", "Handler": "h", "CodeUri": "s3://b/k", "Events": events,
			}},
		}}
		b.Run(kind.event, func(b *testing.B) {
			for b.Loop() {
				if _, err := sam.Transform(root, sam.Input{Region: "us-east-1", Partition: "aws"}); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}
