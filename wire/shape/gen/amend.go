package main

import (
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"slices"
)

// An amendment is what the public model does not have yet and the SDK has.
// They stand in models/amendments.json by service. One that the model has
// caught up with is an error, so that the file never outlives its purpose.
type amendment struct {
	Shape string
	Enum  []string // values to add
	Why   string
}

// amend applies the amendments of a service to its model.
func amend(s service, m *model) error {
	raw, err := os.ReadFile(filepath.Join("models", "amendments.json"))
	if err != nil {
		return err
	}
	var all map[string][]amendment
	if err := json.Unmarshal(raw, &all); err != nil {
		return fmt.Errorf("read amendments: %w", err)
	}
	for _, a := range all[s.id] {
		target := m.Shapes[a.Shape]
		if target == nil || len(target.Enum) == 0 {
			return fmt.Errorf("amend %s: %s is no enum of the model", s.id, a.Shape)
		}
		for _, value := range a.Enum {
			if slices.Contains(target.Enum, value) {
				return fmt.Errorf("amend %s: %s has the value %s already; take it out of the amendments", s.id, a.Shape, value)
			}
			target.Enum = append(target.Enum, value)
		}
	}
	return nil
}
