// Package template is the CloudFormation template language: reading templates
// in JSON and YAML with their positions, checking their form, and evaluating
// parameters, conditions, rules and intrinsic functions. It is pure: it knows no
// resource type and makes nothing. It answers for no AWS API by itself; service/stacks
// does, for CloudFormation.
//
// A template is read in three steps. Parse makes a tree of the text; transforms work on
// trees. Load checks a tree and makes a Template. Bind gives it arguments and a stack, and makes a Bound,
// whose Properties and Outputs are evaluated with the help of a Lookup.
//
// Trees are map[string]any, []any, string, json.Number, bool and nil. A number keeps its
// spelling, "2.0" and all; text that looks like a date or a number with leading zeros is
// text. Intrinsic functions are in their long form: {"Ref": …}, {"Fn::Sub": …}.
//
// It leaves out macros, Fn::ForEach, Fn::Transform and modules: each is refused by name.
package template
