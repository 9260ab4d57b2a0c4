package template

import (
	"slices"
	"strconv"
	"strings"
)

// A block is a part of a template. Which functions may be used, and what may be referred to,
// depends on it.
type block string

const (
	inConditions block = "Conditions"
	inRules      block = "Rules"
	inResources  block = "Resources"
	inOutputs    block = "Outputs"
	inExport     block = "Export" // the name of an export
	inImport     block = "Import" // the argument of Fn::ImportValue
	inStatic     block = "static" // names that must be known before anything is made: maps, keys
)

// A checker judges the functions in one block.
type checker struct {
	at       atlas
	t        *Template
	block    block
	output   string              // inExport: whose
	missing  map[string][]string // names that nothing has, and where the first use is
	dynamics *int                // dynamic references seen
}

func (l *loader) checker(b block) *checker {
	return &checker{at: l.at, t: l.t, block: b, missing: map[string][]string{}, dynamics: new(int)}
}

func (c *checker) in(b block) *checker {
	inner := *c
	inner.block = b
	return &inner
}

// static is the checker of what must be known before anything is made. Blocks
// in which all must be known keep their own words for it.
func (c *checker) static() *checker {
	if c.block == inResources || c.block == inOutputs {
		return c.in(inStatic)
	}
	return c
}

func (c *checker) miss(name string, path []string) {
	if _, known := c.missing[name]; !known {
		c.missing[name] = slices.Clone(path)
	}
}

// unresolved is the error about all references of a block that lead nowhere.
func (c *checker) unresolved() error { return unresolved(c.at, c.block, c.missing) }

func unresolved(at atlas, b block, missing map[string][]string) error {
	if len(missing) == 0 {
		return nil
	}
	names := sorted(missing)
	list := strings.Join(names, ", ")
	if b == inConditions || b == inRules {
		return at.refuse(missing[names[0]], "Template format error: Unresolved dependencies [%s]. Cannot reference resources in the %s block of the template", list, b)
	}
	return at.refuse(missing[names[0]], "Template format error: Unresolved resource dependencies [%s] in the %s block of the template", list, b)
}

func (l *loader) checkConditions() error {
	c := l.checker(inConditions)
	for _, name := range sorted(l.t.Conditions) {
		if err := c.condition(l.t.Conditions[name], []string{"Conditions", name}); err != nil {
			return err
		}
	}
	if err := c.unresolved(); err != nil {
		return err
	}
	return l.checkConditionCycles()
}

// checkConditionCycles refuses conditions that hang on themselves.
func (l *loader) checkConditionCycles() error {
	edges := map[string][]string{}
	for name, v := range l.t.Conditions {
		edges[name] = conditionsIn(v)
	}
	if cycle := cycles(edges); cycle != nil {
		return l.at.refuse([]string{"Conditions", cycle[0]}, "Template format error: Circular dependency between conditions: [%s]", strings.Join(cycle, ", "))
	}
	return nil
}

// conditionsIn lists the conditions that a condition function names.
func conditionsIn(v any) []string {
	m, _ := v.(map[string]any)
	var names []string
	if name, ok := m["Condition"].(string); ok {
		names = append(names, name)
	}
	for _, function := range []string{"Fn::And", "Fn::Not", "Fn::Or"} {
		operands, _ := m[function].([]any)
		for _, e := range operands {
			names = append(names, conditionsIn(e)...)
		}
	}
	return names
}

func (l *loader) checkRules() error {
	c := l.checker(inRules)
	for _, name := range sorted(l.t.Rules) {
		r := l.t.Rules[name]
		if r.Condition != nil {
			if err := c.condition(r.Condition, []string{"Rules", name, "RuleCondition"}); err != nil {
				return err
			}
		}
		for i, a := range r.Assertions {
			if err := c.condition(a.Assert, []string{"Rules", name, "Assertions", strconv.Itoa(i), "Assert"}); err != nil {
				return err
			}
		}
	}
	return c.unresolved()
}

func (l *loader) checkResources() error {
	c := l.checker(inResources)
	for _, id := range sorted(l.t.Resources) {
		r := l.t.Resources[id]
		path := []string{"Resources", id}
		if err := c.named(r.Condition, path); err != nil {
			return err
		}
		for _, on := range r.DependsOn {
			if l.t.Resources[on] == nil {
				c.miss(on, append(path, "DependsOn"))
			}
		}
		for _, name := range sorted(r.policies) {
			if err := c.static().value(r.policies[name], append(path, name)); err != nil {
				return err
			}
		}
		for _, part := range r.parts() {
			path := append(path, part.name)
			for _, k := range sorted(*part.m) {
				if strings.HasPrefix(k, "Fn::") { // a function may give a property, but not all of them
					return l.at.refuse(append(path, k), "Encountered unsupported property %s", k)
				}
				if err := c.value((*part.m)[k], append(path, k)); err != nil {
					return err
				}
			}
		}
	}
	if *c.dynamics > maxDynamic {
		return l.at.refuse([]string{"Resources"}, "Template error: the template has %d dynamic references; %d are allowed", *c.dynamics, maxDynamic)
	}
	return c.unresolved()
}

func (l *loader) checkOutputs() error {
	c := l.checker(inOutputs)
	for _, name := range sorted(l.t.Outputs) {
		o := l.t.Outputs[name]
		path := []string{"Outputs", name}
		if err := c.named(o.Condition, path); err != nil {
			return err
		}
		if err := c.value(o.Value, append(path, "Value")); err != nil {
			return err
		}
		if _, _, isCall := call(o.Value); !isCall {
			if _, isText := Text(o.Value); !isText {
				return malformedOutput(l.at, name)
			}
		}
		if o.ExportName != nil {
			e := c.in(inExport)
			e.output = name
			if err := e.value(o.ExportName, append(path, "Export", "Name")); err != nil {
				return err
			}
		}
	}
	return c.unresolved()
}

func malformedOutput(at atlas, name string) error {
	return at.refuse([]string{"Outputs", name, "Value"}, "Template format error: The Value field of every Outputs member must evaluate to a String.")
}

// named checks the Condition attribute of a resource or an output.
func (c *checker) named(condition string, path []string) error {
	if condition != "" && c.t.Conditions[condition] == nil {
		return c.at.refuse(append(path, "Condition"), "Template format error: Unresolved condition dependency %s in the %s block of the template", condition, c.block)
	}
	return nil
}

// value judges a value in which functions may stand.
func (c *checker) value(v any, path []string) error {
	if name, arg, ok := call(v); ok {
		return c.call(name, arg, path)
	}
	switch v := v.(type) {
	case map[string]any:
		for _, k := range sorted(v) {
			if strings.HasPrefix(k, "Fn::") {
				return c.at.refuse(append(path, k), "Template format error: %s must be the only member of its object.", k)
			}
			if err := c.value(v[k], append(path, k)); err != nil {
				return err
			}
		}
	case []any:
		for i, e := range v {
			if err := c.value(e, append(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
	case string:
		*c.dynamics += strings.Count(v, dynamicOpen)
	}
	return nil
}

// call judges the use of a function that gives a value.
func (c *checker) call(name string, arg any, path []string) error {
	path = append(path, name)
	f, known := functions[name]
	switch {
	case name == "Fn::Transform":
		return c.at.refuse(path, "Template error: Fn::Transform has not run: transforms run before a template is judged.")
	case !known && (conditionFunctions[name] || ruleFunctions[name]):
		return c.at.refuse(path, "Template error: Cannot use %s in %s", name, c.block.words())
	case !known:
		return c.at.refuse(path, "Template error: %s is not built in this version of Countersign.", name)
	case f.extension && !c.t.extensions:
		return c.at.refuse(path, "Template error: %s needs the transform AWS::LanguageExtensions.", name)
	case f.late && c.block == inImport:
		return c.at.refuse(path, "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs")
	case f.late && c.block == inExport:
		return c.exported(path)
	case f.late && c.block != inResources && c.block != inOutputs, name == "Fn::If" && (c.block == inConditions || c.block == inRules):
		return c.at.refuse(path, "Template error: Cannot use %s in %s", name, c.block.words())
	}
	return f.check(c, arg, path)
}

func (b block) words() string {
	switch b {
	case inStatic:
		return "the name of a map or a key"
	case inExport:
		return "the name of an export"
	}
	return string(b)
}

func (c *checker) exported(path []string) error {
	return c.at.refuse(path, "Template format error: Output %s is malformed. The Name field of Export must not depend on any resources, imported values, or Fn::GetAZs.", c.output)
}

// ref judges a reference to a parameter or a resource.
func (c *checker) ref(name string, path []string) error {
	if pseudo[name] || c.t.Parameters[name] != nil {
		return nil
	}
	if c.t.Resources[name] == nil {
		c.miss(name, path)
		return nil
	}
	switch c.block {
	case inExport:
		return c.exported(path)
	case inImport:
		return c.at.refuse(path, "Template error: the attribute in Fn::ImportValue must not depend on any resources, imported values, or Fn::GetAZs")
	case inConditions, inRules:
		c.miss(name, path)
	case inStatic:
		return c.at.refuse(path, "Template error: %s is a resource; %s must be known before any is made.", name, c.block.words())
	}
	return nil
}

// condition judges a value that must be true or false.
func (c *checker) condition(v any, path []string) error {
	m, _ := v.(map[string]any)
	if len(m) != 1 {
		return c.at.refuse(path, "Template format error: %s can only be boolean operations on parameters and other conditions", c.block)
	}
	name := sorted(m)[0]
	arg := m[name]
	path = append(path, name)
	list, isList := arg.([]any)
	operands := func() error {
		for i, e := range list {
			if err := c.condition(e, append(path, strconv.Itoa(i))); err != nil {
				return err
			}
		}
		return nil
	}
	switch {
	case name == "Condition" && c.block == inConditions:
		on, ok := arg.(string)
		if !ok {
			return c.at.refuse(path, "Template error: every Condition member must be a string.")
		}
		if c.t.Conditions[on] == nil {
			return c.at.refuse(path, "Template format error: Unresolved condition dependency %s in the Conditions block of the template", on)
		}
		return nil
	case name == "Fn::And" || name == "Fn::Or":
		if !isList || len(list) < 2 || len(list) > 10 {
			return c.at.refuse(path, "Template error: every %s object requires a list of at least 2 and at most 10 boolean parameters.", name)
		}
		return operands()
	case name == "Fn::Not":
		if !isList || len(list) != 1 {
			return c.at.refuse(path, "Template error: every Fn::Not object requires one boolean parameter.")
		}
		return operands()
	case name == "Fn::Equals":
		if !isList || len(list) != 2 {
			return c.at.refuse(path, "Template error: every Fn::Equals object requires a list of 2 string parameters.")
		}
		for i, e := range list {
			path := append(path, strconv.Itoa(i))
			if _, ok := Text(e); !ok && !functionOr[string](e) {
				return c.at.refuse(path, "Template error: every Fn::Equals object requires a list of 2 string parameters.")
			}
			if err := c.value(e, path); err != nil {
				return err
			}
		}
		return nil
	case ruleFunctions[name] && c.block == inRules:
		if name == "Fn::ValueOf" || name == "Fn::ValueOfAll" || name == "Fn::RefAll" {
			return c.at.refuse(path, "Template error: %s gives a value, not true or false", name)
		}
		if !isList || len(list) != 2 {
			return c.at.refuse(path, "Template error: every %s object requires a list of two parameters: a list of strings, and what it is compared with.", name)
		}
		return c.ruleOperands(list, path)
	}
	return c.at.refuse(path, "Template format error: %s can only be boolean operations on parameters and other conditions", c.block)
}

// ruleOperands judges what a rule function compares: values, or Fn::RefAll.
func (c *checker) ruleOperands(list []any, path []string) error {
	for i, e := range list {
		path := append(path, strconv.Itoa(i))
		name, arg, ok := call(e)
		switch {
		case ok && name == "Fn::RefAll":
			if _, isText := arg.(string); !isText {
				return c.at.refuse(path, "Template error: every Fn::RefAll object must have a parameter type.")
			}
		case ok && ruleFunctions[name]:
			return c.at.refuse(path, "Template error: %s is not built in this version of Countersign.", name)
		default:
			if err := c.value(e, path); err != nil {
				return err
			}
		}
	}
	return nil
}
