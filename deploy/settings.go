package deploy

import (
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"go.yaml.in/yaml/v3"
)

// SettingsFile is where the answers to --guided are kept, beside the template.
const SettingsFile = "countersign.deploy.yaml"

// Settings are how a folder is deployed. Values of NoEcho parameters are never among them.
type Settings struct {
	Stack        string            `yaml:"stack"`
	Region       string            `yaml:"region,omitempty"`
	Parameters   map[string]string `yaml:"parameters,omitempty"`
	Capabilities []string          `yaml:"capabilities,omitempty"`
	Bucket       string            `yaml:"bucket,omitempty"`
}

// ReadSettings reads the file beside a template; the zero Settings if there is none.
func ReadSettings(template string) (Settings, error) {
	var s Settings
	path := filepath.Join(filepath.Dir(template), SettingsFile)
	text, err := readBounded(path, 1<<20)
	if errors.Is(err, fs.ErrNotExist) {
		return s, nil
	}
	if err != nil {
		return s, err
	}
	d := yaml.NewDecoder(strings.NewReader(string(text)))
	d.KnownFields(true)
	if err := d.Decode(&s); err != nil {
		return s, fmt.Errorf("%s: %w", path, err)
	}
	return s, nil
}

// Write keeps the settings beside a template.
func (s Settings) Write(template string) (path string, err error) {
	text, err := yaml.Marshal(s)
	if err != nil {
		return "", err
	}
	path = filepath.Join(filepath.Dir(template), SettingsFile)
	return path, os.WriteFile(path, append([]byte("# How 'countersign deploy' deploys this folder; 'countersign deploy --guided' writes it.\n"), text...), 0o644)
}
