// Package template is the template language of AWS CloudFormation: it reads
// templates, judges them, and evaluates their functions. It knows no resource type and
// calls nothing; whoever runs a stack supplies what resources answer as a Lookup. It answers for no AWS API:
// service/stacks does, with CloudFormation's.
//
// A template goes through these steps:
//
//	doc, err := template.Parse(text)               // JSON or YAML, with positions
//	t, err := template.Load(doc.Root, doc.At)      // after the transforms: a judged template
//	args, err := t.Arguments(ctx, given, fetch)    // values for its parameters
//	b, err := t.Bind(template.Scope{…})            // conditions decided, dependencies known
//	props, err := b.Properties(ctx, id, lookup)    // functions evaluated
//
// Values are plain trees: map[string]any, []any, string, json.Number, bool and nil. Scalars keep the text
// that they were written with, so 2.0, 2012-10-17 and 012345678901 stay what they are. Unknown stands in a
// tree for what only a later moment will know.
//
// Left out: Fn::ForEach, Fn::GetStackOutput, Fn::ValueOf and Fn::ValueOfAll are refused by name. Transforms and macros
// are found (Transforms, Snippets), not run. Whether a resource type has a property or an attribute is not judged here.
//
// https://docs.aws.amazon.com/AWSCloudFormation/latest/UserGuide/template-anatomy.html
package template
