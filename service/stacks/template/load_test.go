package template_test

import (
	"errors"
	"fmt"
	"strings"
	"testing"

	"countersign/service/stacks/template"
)

// minimal is the rest of a template whose other sections are looked at.
const minimal = "Resources: {R: {Type: T}}\n"

func TestTemplatesThatAreInOrder(t *testing.T) {
	t.Parallel()
	for name, text := range map[string]string{
		"the least":                  minimal,
		"every section":              "AWSTemplateFormatVersion: 2010-09-09\nDescription: d\nMetadata: {a: b}\nParameters: {P: {Type: String}}\nMappings: {M: {a.b-c: {d: [1, x]}}}\nConditions: {C: !Equals [a, b]}\nRules: {L: {Assertions: [{Assert: !Equals [a, a]}]}}\nOutputs: {O: {Value: 1}}\n" + minimal,
		"every attribute":            "Conditions: {C: !Equals [a, b]}\nResources: {R: {Type: T, Properties: {}, DependsOn: [S], Condition: C, DeletionPolicy: RetainExceptOnCreate, UpdateReplacePolicy: Snapshot, Metadata: {a: b}, CreationPolicy: {ResourceSignal: {Count: 1}}, UpdatePolicy: {a: b}, Version: 1.0}, S: {Type: T, DependsOn: []}}",
		"a property called Ref":      "Resources: {R: {Type: T, Properties: {Ref: anything}}}",
		"Ref among others is data":   "Resources: {R: {Type: T, Properties: {A: {Ref: anything, Other: b}}}}",
		"a Condition in a policy":    "Resources: {R: {Type: T, Properties: {A: {Condition: {StringEquals: {a: b}}}}}}",
		"references both ways in If": "Conditions: {C: !Equals [a, b]}\nResources: {A: {Type: T, Properties: {P: !If [C, !Ref B, x]}}, B: {Type: T, Properties: {P: !If [C, x, !Ref A]}}}",
		"both ways, with conditions": "Conditions: {C: !Equals [a, b], D: !Not [!Condition C]}\nResources: {A: {Type: T, Condition: C, Properties: {P: !Ref B}}, B: {Type: T, Condition: D, DependsOn: A}}",
		"Sub":                        "Resources: {R: {Type: T, Properties: {A: !Sub '${!x} $ ${S.Arn} ${AWS::Region} ${', B: !Sub ['${v.w}${ S }', {v.w: 1}]}}, S: {Type: T}}",
		"functions in functions":     "Parameters: {P: {Type: String}}\nMappings: {M: {k: {v: 1}}}\nResources: {R: {Type: T, Properties: {A: !Join [',', !Split ['|', !Sub '${P}']], B: !Select [!Ref P, !Ref P], C: !FindInMap [M, !Ref P, !FindInMap [M, k, v]], D: !GetAtt [S, !Ref P]}}, S: {Type: T}}",
		"conditions of many kinds":   "Parameters: {P: {Type: CommaDelimitedList}}\nMappings: {M: {k: {v: 1}}}\nConditions: {A: !Equals [!Join ['', !Ref P], !FindInMap [M, k, v]], B: !Or [!Condition A, !Not [!Condition A]], C: !And [!Equals [!Select [0, !Ref P], !Sub '${AWS::Region}'], !Condition B]}\n" + minimal,
		"a variable Condition":       "Conditions: {A: !Equals [!Sub ['${Condition}', {Condition: A}], b]}\n" + minimal,
		"an export of a name":        "Parameters: {P: {Type: String}}\nOutputs: {O: {Value: !Ref R, Export: {Name: !Join ['-', [!Ref AWS::StackName, !Ref P]]}}}\n" + minimal,
		"extensions":                 "Transform: AWS::LanguageExtensions\nParameters: {P: {Type: String}}\nMappings: {M: {k: {v: 1}}}\nConditions: {C: !Equals [!Length [a], 1]}\nResources: {R: {Type: T, DeletionPolicy: !Ref P, UpdateReplacePolicy: !If [C, Retain, Delete], Properties: {A: !ToJsonString {a: !Ref R2}, B: !Length [a], C: !FindInMap [M, !Sub '${P}', v, {DefaultValue: !Ref R2}]}}, R2: {Type: T}}",
	} {
		if _, err := load(t, text); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

func TestTemplatesThatAreNot(t *testing.T) {
	t.Parallel()
	res := func(properties string) string {
		return "Parameters: {P: {Type: String}}\nMappings: {M: {k: {v: 1}}}\nConditions: {C: !Equals [a, b]}\nResources: {R: {Type: T, Properties: " + properties + "}, S: {Type: T}}\n"
	}
	cond := func(condition string) string {
		return "Parameters: {P: {Type: String}}\nConditions: {C: " + condition + "}\n" + minimal
	}
	rule := func(assert string) string {
		return "Parameters: {P: {Type: String}}\nConditions: {C: !Equals [a, b]}\nRules: {L: {Assertions: [{Assert: " + assert + "}]}}\n" + minimal
	}
	for _, c := range []struct{ name, text, want string }{
		// Sections
		{"an unknown section", "Resource: {}\nFoo: {}\n" + minimal, "Invalid template property or properties [Foo, Resource]"},
		{"SAM that was not transformed", "Globals: {}\n" + minimal, "Invalid template property or properties [Globals]"},
		{"no resources", "Description: d\n", "Template format error: At least one Resources member must be defined."},
		{"empty resources", "Resources: {}\n", "Template format error: At least one Resources member must be defined."},
		{"resources that are a list", "Resources: [a]\n", "Template format error: The Resources section must be a map."},
		{"a section without anything", "Outputs:\n" + minimal, "[/Outputs] 'null' values are not allowed in templates"},
		{"another version", "AWSTemplateFormatVersion: 2010-09-10\n" + minimal, "Template format error: 2010-09-10 is not a supported value for AWSTemplateFormatVersion."},
		{"a description that is a map", "Description: {a: b}\n" + minimal, "Template format error: every Description member must be a string."},
		{"a long description", "Description: " + strings.Repeat("x", 1025) + "\n" + minimal, "Template format error: 'Description' length is greater than 1024."},
		{"hooks", "Hooks: {}\n" + minimal, "Template format error: the Hooks section is not built in this version of Countersign."},
		{"a transform without a name", "Transform: {Foo: bar}\n" + minimal, "Template format error: the Transform section must be the name of a transform, or a list of names."},
		{"metadata that is a list", "Metadata: [a]\n" + minimal, "Template format error: The Metadata section must be a map."},
		// Resources
		{"null deep down", "Resources: {R: {Type: T, Properties: {A: [{B: }]}}}\n", "[/Resources/R/Properties/A/0/B] 'null' values are not allowed in templates"},
		{"a resource name", "Resources: {a-b: {Type: T}}\n", "Template format error: Resource name a-b is non alphanumeric."},
		{"a long name", "Resources: {" + strings.Repeat("a", 256) + ": {Type: T}}\n", "Template format error: Resource name aaaaaaaaaaaaaaaaaaaa… is longer than 255 characters."},
		{"a resource that is text", "Resources: {R: T}\n", "Template format error: [/Resources/R] resource definition is malformed"},
		{"no type", "Resources: {R: {Properties: {}}}\n", "Template format error: [/Resources/R] Every Resources object must contain a Type member."},
		{"a type that is a map", "Resources: {R: {Type: {a: b}}}\n", "Template format error: every Type member must be a string."},
		{"an attribute that is none", "Resources: {R: {Type: T, Invalid: 1}}\n", "Invalid template resource property 'Invalid'"},
		{"properties that are a list", "Resources: {R: {Type: T, Properties: [a]}}\n", "Template format error: [/Resources/R/Properties] must be an object."},
		{"a dependency that is a map", "Resources: {R: {Type: T, DependsOn: {a: b}}}\n", "Template format error: DependsOn must be a string or list of strings."},
		{"a dependency on nothing", "Resources: {R: {Type: T, DependsOn: [R2, R3]}}\n", "Template format error: Unresolved resource dependencies [R2, R3] in the Resources block of the template"},
		{"a deletion policy", "Resources: {R: {Type: T, DeletionPolicy: Keep}}\n", "Template format error: Unrecognized DeletionPolicy Keep for resource R"},
		{"an update-replace policy", "Resources: {R: {Type: T, UpdateReplacePolicy: RetainExceptOnCreate}}\n", "Template format error: Unrecognized UpdateReplacePolicy RetainExceptOnCreate for resource R"},
		{"a policy that is a function", "Parameters: {P: {Type: String}}\nResources: {R: {Type: T, DeletionPolicy: !Ref P}}\n", "Template format error: every DeletionPolicy member must be a string."},
		{"an undefined condition", "Resources: {R: {Type: T, Condition: Nope}}\n", "Template format error: Unresolved condition dependency Nope in the Resources block of the template"},
		{"a name twice", "Parameters: {R: {Type: String}}\n" + minimal, "Template format error: R is the name of a parameter and of a resource; the names must differ."},
		{"properties that are a function", res("!If [C, {A: b}, {A: c}]"), "Encountered unsupported property Fn::If"},
		// References
		{"Ref to nothing", res("{A: !Ref X, B: [!Ref Y]}"), "Template format error: Unresolved resource dependencies [X, Y] in the Resources block of the template"},
		{"Ref to no pseudo parameter", res("{A: !Ref AWS::Nope}"), "Template format error: Unresolved resource dependencies [AWS::Nope] in the Resources block of the template"},
		{"Ref to a list", res("{A: {Ref: [a]}}"), "Template error: every Ref object must have a single String value."},
		{"Ref to a function", res("{A: {Ref: !Sub P}}"), "Template error: every Ref object must have a single String value."},
		{"Ref in an untaken branch", res("{A: !If [C, a, !Ref X]}"), "Template format error: Unresolved resource dependencies [X] in the Resources block of the template"},
		{"GetAtt of nothing", res("{A: !GetAtt X.Arn}"), "Template error: instance of Fn::GetAtt references undefined resource X"},
		{"GetAtt of a parameter", res("{A: !GetAtt P.Arn}"), "Template error: instance of Fn::GetAtt references undefined resource P"},
		{"GetAtt without an attribute", res("{A: !GetAtt S}"), "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"},
		{"GetAtt with three", res("{A: !GetAtt [S, a, b]}"), "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"},
		{"GetAtt of a computed resource", res("{A: !GetAtt [!Ref P, b]}"), "Template error: every Fn::GetAtt object requires two non-empty parameters, the resource name and the resource attribute"},
		{"GetAtt of an attribute named by a resource", res("{A: !GetAtt [S, !Ref R]}"), "Template error: R is a resource; the name of a map or a key must be known before any is made."},
		{"Sub of nothing", res("{A: !Sub '${X}'}"), "Template format error: Unresolved resource dependencies [X] in the Resources block of the template"},
		{"Sub of an attribute of nothing", res("{A: !Sub '${X.Arn}'}"), "Template error: instance of Fn::Sub references invalid resource attribute X.Arn"},
		{"Sub of a bad name", res("{A: !Sub '${X-Y}'}"), "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"},
		{"Sub of an empty name", res("{A: !Sub 'a ${} b'}"), "Template error: variable names in Fn::Sub syntax must contain only alphanumeric characters, underscores, periods, and colons"},
		{"Sub of a map", res("{A: !Sub {a: b}}"), "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments."},
		{"Sub of three", res("{A: !Sub [a, {}, b]}"), "Template error: One or more Fn::Sub intrinsic functions don't specify expected arguments."},
		{"Sub of a list as value", res("{A: !Sub ['${v}', {v: [a]}]}"), "Template error: every value of the context object of every Fn::Sub object must be a string or a function that returns a string"},
		{"Sub of no value", res("{A: !Sub ['${v}', {v: !Ref AWS::NoValue}]}"), "Template error: every value of the context object of every Fn::Sub object must be a string or a function that returns a string"},
		// Form
		{"Join without a list", res("{A: !Join ['', a]}"), "Template error: every Fn::Join object requires two parameters, (1) a string delimiter and (2) a list of strings to be joined"},
		{"Join of one", res("{A: !Join ['']}"), "Template error: every Fn::Join object requires two parameters"},
		{"Join with a computed delimiter", res("{A: !Join [!Ref P, [a]]}"), "Template error: every Fn::Join object requires two parameters"},
		{"Split without a delimiter", res("{A: !Split ['', a]}"), "Template error: every Fn::Split object requires two parameters, (1) a string delimiter and (2) a string to be split"},
		{"Select without an index", res("{A: !Select [a, [b]]}"), "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"},
		{"Select of text", res("{A: !Select [0, a]}"), "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"},
		{"Select below zero", res("{A: !Select [-1, [a]]}"), "Template error: Fn::Select requires a list argument with two elements: an integer index and a list"},
		{"Base64 of a list", res("{A: !Base64 [a]}"), "Template error: every Fn::Base64 object must have a String-typed value."},
		{"Cidr of one", res("{A: !Cidr [a]}"), "Template error: every Fn::Cidr object requires two or three parameters"},
		{"GetAZs of a list", res("{A: !GetAZs [a]}"), "Template error: every Fn::GetAZs object must have a String-typed value."},
		{"FindInMap of two", res("{A: !FindInMap [M, k]}"), "Template error: every Fn::FindInMap object requires three parameters, the map name, map key and the attribute for return value"},
		{"FindInMap of a default without the extensions", res("{A: !FindInMap [M, k, v, {DefaultValue: 1}]}"), "Template error: every Fn::FindInMap object requires three parameters"},
		{"FindInMap with a Sub", res("{A: !FindInMap [M, k, !Sub v]}"), "Template error: every Fn::FindInMap object requires three parameters"},
		{"FindInMap in no map", res("{A: !FindInMap [N, k, v]}"), "Template error: Mapping named 'N' is not present in the 'Mappings' section of template."},
		{"FindInMap by a resource", res("{A: !FindInMap [M, !Ref S, v]}"), "Template error: S is a resource; the name of a map or a key must be known before any is made."},
		{"ImportValue of a resource", res("{A: !ImportValue {Ref: S}}"), "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs"},
		{"ImportValue of an attribute", res("{A: !ImportValue {'Fn::Sub': '${S.Arn}'}}"), "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs"},
		{"ImportValue of a list", res("{A: !ImportValue [a]}"), "Template error: every Fn::ImportValue object must have a String-typed value."},
		{"If of two", res("{A: !If [C, a]}"), "Template error: Fn::If requires a list argument with three elements"},
		{"If of a function", res("{A: !If [!Equals [a, b], a, b]}"), "Template error: Fn::If requires a list argument with the first element being a condition"},
		{"If of no condition", res("{A: !If [D, a, b]}"), "Template error: unresolved condition dependency D in Fn::If"},
		{"two functions in an object", res("{A: {'Fn::Sub': a, 'Fn::Join': b}}"), "Template format error: Fn::Join must be the only member of its object."},
		{"a function beside data", res("{A: {'Fn::Sub': a, b: c}}"), "Template format error: Fn::Sub must be the only member of its object."},
		{"a function that is none", res("{A: {'Fn::Foo': a}}"), "Template error: Fn::Foo is not built in this version of Countersign."},
		{"GetStackOutput", res("{A: !GetStackOutput {a: b}}"), "Template error: Fn::GetStackOutput is not built in this version of Countersign."},
		{"ForEach", res("{A: {'Fn::ForEach::X': []}}"), "Template error: Fn::ForEach is not built in this version of Countersign."},
		{"ForEach beside others", res("{A: {'Fn::ForEach::X': [], b: c}}"), "Template error: Fn::ForEach is not built in this version of Countersign."},
		{"ForEach of properties", res("{'Fn::ForEach::X': []}"), "Template error: Fn::ForEach is not built in this version of Countersign."},
		{"ForEach of resources", "Resources: {'Fn::ForEach::X': []}", "Template error: Fn::ForEach is not built in this version of Countersign."},
		{"a transform that has not run", res("{A: !Transform {Name: X}}"), "Template error: Fn::Transform has not run: transforms run before a template is judged."},
		{"Length without the extensions", res("{A: !Length [a]}"), "Template error: Fn::Length needs the transform AWS::LanguageExtensions."},
		{"ToJsonString without the extensions", res("{A: !ToJsonString {a: b}}"), "Template error: Fn::ToJsonString needs the transform AWS::LanguageExtensions."},
		{"a condition function as a value", res("{A: !Equals [a, b]}"), "Template error: Cannot use Fn::Equals in Resources"},
		{"a rule function as a value", res("{A: !Contains [[a], b]}"), "Template error: Cannot use Fn::Contains in Resources"},
		// Conditions
		{"a condition that is text", cond("yes"), "Template format error: [/Conditions/C] Every Conditions member must be an object."},
		{"a condition that is a value", cond("!Ref P"), "Template format error: Conditions can only be boolean operations on parameters and other conditions"},
		{"a condition with a resource", cond("!Equals [!Ref R, a]"), "Template format error: Unresolved dependencies [R]. Cannot reference resources in the Conditions block of the template"},
		{"a condition with nothing", cond("!Equals [!Ref Nope, a]"), "Template format error: Unresolved dependencies [Nope]. Cannot reference resources in the Conditions block of the template"},
		{"a condition with an attribute", cond("!Equals [!GetAtt R.Arn, a]"), "Template error: Cannot use Fn::GetAtt in Conditions"},
		{"a condition with an import", cond("!Equals [!ImportValue a, a]"), "Template error: Cannot use Fn::ImportValue in Conditions"},
		{"a condition with If", cond("!Equals [!If [C, a, b], a]"), "Template error: Cannot use Fn::If in Conditions"},
		{"a condition with nothing to name", cond("!Not [!Condition D]"), "Template format error: Unresolved condition dependency D in the Conditions block of the template"},
		{"a condition that is a list of names", cond("!Condition [a]"), "Template error: every Condition member must be a string."},
		{"And of one", cond("!And [!Equals [a, b]]"), "Template error: every Fn::And object requires a list of at least 2 and at most 10 boolean parameters."},
		{"Or of eleven", cond("!Or [" + strings.Repeat("!Equals [a, b], ", 10) + "!Equals [a, b]]"), "Template error: every Fn::Or object requires a list of at least 2 and at most 10 boolean parameters."},
		{"Not of two", cond("!Not [!Equals [a, b], !Equals [a, b]]"), "Template error: every Fn::Not object requires one boolean parameter."},
		{"Not of text", cond("!Not [a]"), "Template format error: Conditions can only be boolean operations on parameters and other conditions"},
		{"Equals of three", cond("!Equals [a, b, c]"), "Template error: every Fn::Equals object requires a list of 2 string parameters."},
		{"Equals of a map", cond("!Equals [{a: b}, c]"), "Template error: every Fn::Equals object requires a list of 2 string parameters."},
		{"conditions in a circle", "Conditions: {A: !Not [!Condition B], B: !And [!Condition C, !Equals [a, b]], C: !Condition A, D: !Condition A}\n" + minimal, "Template format error: Circular dependency between conditions: [A, B, C]"},
		{"a condition on itself", cond("!Not [!Condition C]"), "Template format error: Circular dependency between conditions: [C]"},
		// Rules
		{"a rule without assertions", "Rules: {L: {}}\n" + minimal, "Template format error: Every Rules member must contain a list of Assertions."},
		{"a rule with more", "Rules: {L: {Assertions: [{Assert: !Equals [a, a]}], X: y}}\n" + minimal, "Invalid template rule property 'X'"},
		{"an assertion of nothing", "Rules: {L: {Assertions: [{}]}}\n" + minimal, "Template format error: Every Assertions member must contain an Assert function."},
		{"a rule that asks for a condition", rule("!Condition C"), "Template format error: Rules can only be boolean operations on parameters and other conditions"},
		{"a rule about a resource", rule("!Equals [!Ref R, a]"), "Template format error: Unresolved dependencies [R]. Cannot reference resources in the Rules block of the template"},
		{"ValueOf", rule("!Contains [[a], !ValueOf [P, a]]"), "Template error: Fn::ValueOf is not built in this version of Countersign."},
		{"ValueOfAll", rule("!EachMemberIn [!ValueOfAll [T, a], [b]]"), "Template error: Fn::ValueOfAll is not built in this version of Countersign."},
		{"Contains of one", rule("!Contains [[a]]"), "Template error: every Fn::Contains object requires a list of two parameters"},
		{"RefAll as an assertion", rule("!RefAll T"), "Template error: Fn::RefAll gives a value, not true or false"},
		// Outputs
		{"an output without a value", "Outputs: {O: {Description: d}}\n" + minimal, "Template format error: Every Outputs member must contain a Value object"},
		{"an output of a list", "Outputs: {O: {Value: [a]}}\n" + minimal, "Template format error: The Value field of every Outputs member must evaluate to a String."},
		{"an output with more", "Outputs: {O: {Value: a, Fn::Sub: b}}\n" + minimal, "Template format error: Invalid outputs property : [Fn::Sub]"},
		{"an output name", "Outputs: {a-b: {Value: a}}\n" + minimal, "Template format error: Outputs name a-b is non alphanumeric."},
		{"an output of nothing", "Outputs: {O: {Value: !Ref X}}\n" + minimal, "Template format error: Unresolved resource dependencies [X] in the Outputs block of the template"},
		{"an output with no condition", "Outputs: {O: {Value: a, Condition: X}}\n" + minimal, "Template format error: Unresolved condition dependency X in the Outputs block of the template"},
		{"an export without a name", "Outputs: {O: {Value: a, Export: {}}}\n" + minimal, "Template format error: Output O is malformed. The Name field of every Export member must be specified"},
		{"an export with more", "Outputs: {O: {Value: a, Export: {Name: a, X: b}}}\n" + minimal, "Template format error: Invalid Export property : [X]"},
		{"an export named by a resource", "Outputs: {O: {Value: a, Export: {Name: !Sub '${R}-x'}}}\n" + minimal, "Template format error: Output O is malformed. The Name field of Export must not depend on any resources, imported values, or Fn::GetAZs."},
		{"an export named by an import", "Outputs: {O: {Value: a, Export: {Name: !ImportValue x}}}\n" + minimal, "Template format error: Output O is malformed. The Name field of Export must not depend on any resources, imported values, or Fn::GetAZs."},
		// Mappings
		{"a mapping one level deep", "Mappings: {M: {A: b}}\n" + minimal, "Template format error: Every Mappings member A must be a map"},
		{"a mapping three levels deep", "Mappings: {M: {A: {B: {C: d}}}}\n" + minimal, "Template format error: Every Mappings attribute must be a String or a List."},
		{"a mapping with a function", "Mappings: {M: {A: {B: !Ref AWS::Region}}}\n" + minimal, "Template format error: Every Mappings attribute must be a String or a List."},
		{"a mapping of a list of maps", "Mappings: {M: {A: {B: [{C: d}]}}}\n" + minimal, "Template format error: Every Mappings attribute must be a String or a List."},
		{"a mapping attribute", "Mappings: {M: {x86-64: {a-b: c}}}\n" + minimal, "Template format error: Mappings attribute name 'a-b' must contain only alphanumeric characters."},
		{"a mapping that is text", "Mappings: {M: a}\n" + minimal, "Template format error: Every Mappings member M must be a map"},
		// Circles
		{"a circle", "Resources: {A: {Type: T, DependsOn: B}, B: {Type: T, Properties: {P: !Sub '${C.Arn}'}}, C: {Type: T, Metadata: {M: !Ref A}}, D: {Type: T, DependsOn: A}}", "Circular dependency between resources: [A, B, C]"},
		{"a resource that waits for itself", "Resources: {A: {Type: T, Properties: {P: !GetAtt A.Arn}}}", "Circular dependency between resources: [A]"},
	} {
		_, err := load(t, c.text)
		var e *template.Error
		if !errors.As(err, &e) {
			t.Errorf("%s: %v, want %s", c.name, err, c.want)
			continue
		}
		if !strings.HasPrefix(e.Message, c.want) {
			t.Errorf("%s:\n%s, want\n%s", c.name, e.Message, c.want)
		}
		if e.Position.Line == 0 || len(e.Path) == 0 {
			t.Errorf("%s: the error names no place: %#v", c.name, e)
		}
	}
}

func TestLimits(t *testing.T) {
	t.Parallel()
	section := func(name, member string, n int) string {
		var b strings.Builder
		fmt.Fprintf(&b, "%s:\n", name)
		for i := range n {
			fmt.Fprintf(&b, "  X%d: %s\n", i, member)
		}
		if name != "Resources" {
			b.WriteString(minimal)
		}
		return b.String()
	}
	for _, c := range []struct {
		name, member string
		most         int
	}{
		{"Resources", "{Type: T}", 500},
		{"Parameters", "{Type: String}", 200},
		{"Outputs", "{Value: a}", 200},
		{"Mappings", "{a: {b: c}}", 200},
	} {
		if _, err := load(t, section(c.name, c.member, c.most)); err != nil {
			t.Errorf("%d %s: %v", c.most, c.name, err)
		}
		want := fmt.Sprintf("Template format error: Number of %s, %d, is greater than maximum allowed, %d (/%s, line 1, column 1)", strings.ToLower(c.name), c.most+1, c.most, c.name)
		if _, err := load(t, section(c.name, c.member, c.most+1)); err == nil || err.Error() != want {
			t.Errorf("%d %s: %v, want %s", c.most+1, c.name, err, want)
		}
	}
	if _, err := load(t, "Resources: {R: {Type: T, Properties: {A: ["+strings.Repeat("'{{resolve:ssm:a}}', ", 60)+"b]}}}"); err != nil {
		t.Error(err)
	}
	if _, err := load(t, "Resources: {R: {Type: T, Properties: {A: ["+strings.Repeat("'{{resolve:ssm:a}}', ", 61)+"b]}}}"); err == nil || !strings.HasPrefix(err.Error(), "Template error: the template has 61 dynamic references; 60 are allowed") {
		t.Errorf("61 dynamic references: %v", err)
	}
}

// A transform makes values that stand nowhere in the text; errors about them
// still lead somewhere.
func TestErrorsAboutWhatATransformMade(t *testing.T) {
	t.Parallel()
	doc := parse(t, "Resources:\n  F:\n    Type: AWS::Serverless::Function\n")
	doc.Root["Resources"].(map[string]any)["FRole"] = map[string]any{"Type": "AWS::IAM::Role", "Properties": map[string]any{"A": map[string]any{"Ref": "Nope"}}}
	_, err := template.Load(doc.Root, doc.At)
	if want := "Template format error: Unresolved resource dependencies [Nope] in the Resources block of the template (/Resources/FRole/Properties/A/Ref, line 1, column 1)"; err == nil || err.Error() != want {
		t.Errorf("%v, want %s", err, want)
	}
	if _, err := template.Load(doc.Root, nil); err == nil || strings.Contains(err.Error(), "line") {
		t.Errorf("without positions: %v", err)
	}
}

func TestSectionsAreRead(t *testing.T) {
	t.Parallel()
	tpl, err := load(t, `
Description: d
Transform: [AWS::LanguageExtensions, {Name: Macro, Parameters: {a: b}}]
Parameters: {P: {Type: Number, Default: 2.0, NoEcho: true, AllowedValues: [1, 2.0], MinValue: 1, MaxValue: 1e1, Description: pd, ConstraintDescription: cd}}
Mappings: {M: {k: {v: [a]}}}
Conditions: {C: !Equals [a, b]}
Resources: {R: {Type: T, DependsOn: S, Condition: C, DeletionPolicy: Retain, UpdateReplacePolicy: Snapshot, Properties: {A: b}, Metadata: {C: d}}, S: {Type: T}}
Outputs: {O: {Value: v, Description: od, Condition: C, Export: {Name: n}}}
`)
	if err != nil {
		t.Fatal(err)
	}
	p, r, o := tpl.Parameters["P"], tpl.Resources["R"], tpl.Outputs["O"]
	got := fmt.Sprintln(tpl.Description, tpl.Transforms, tpl.HasTransform("Macro"), tpl.HasTransform("Other"), tpl.Mappings, len(tpl.Conditions),
		p.Type, *p.Default, p.NoEcho, p.AllowedValues, *p.MinValue, *p.MaxValue, p.MinLength, p.Description, p.ConstraintDescription,
		r.ID, r.Type, r.DependsOn, r.Condition, r.DeletionPolicy, r.UpdateReplacePolicy, r.Properties, r.Metadata,
		o.Name, o.Value, o.Description, o.Condition, o.ExportName)
	want := fmt.Sprintln("d", "[AWS::LanguageExtensions Macro]", true, false, "map[M:map[k:map[v:[a]]]]", 1,
		"Number", "2.0", true, "[1 2.0]", 1.0, 10.0, "<nil>", "pd", "cd",
		"R", "T", "[S]", "C", "Retain", "Snapshot", "map[A:b]", "map[C:d]",
		"O", "v", "od", "C", "n")
	if got != want {
		t.Errorf("\n%s, want\n%s", got, want)
	}
}
