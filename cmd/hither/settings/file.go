package settings

import (
	"bytes"
	"errors"
	"fmt"
	"strings"

	"github.com/pelletier/go-toml/v2"
	"github.com/pelletier/go-toml/v2/unstable"
)

// configLine is one setting in config.toml.
type configLine struct {
	key    Key
	values []string
	at     string // FILE:LINE
}

// parseConfig reads TOML 1.0 with nothing but the keys of the table: text, numbers, switches and lists of text.
func parseConfig(file string, data []byte) ([]configLine, error) {
	if bytes.HasPrefix(data, []byte("\xff\xfe")) || bytes.HasPrefix(data, []byte("\xfe\xff")) {
		return nil, fmt.Errorf("%s:1: this is UTF-16, as PowerShell 5 writes what a command prints; save it as UTF-8", file)
	}
	data = bytes.TrimPrefix(data, []byte("\ufeff")) // as editors on Windows begin files
	if err := checkSyntax(file, data); err != nil {
		return nil, err
	}
	var lines []configLine
	var p unstable.Parser
	p.Reset(data)
	for p.NextExpression() {
		line, err := parseExpression(file, &p, p.Expression())
		if err != nil {
			return nil, err
		}
		lines = append(lines, line)
	}
	return lines, p.Error()
}

// checkSyntax finds what is no TOML, and keys that are set twice.
func checkSyntax(file string, data []byte) error {
	var all map[string]any
	err := toml.Unmarshal(data, &all)
	var at *toml.DecodeError
	if errors.As(err, &at) {
		row, _ := at.Position()
		return fmt.Errorf("%s:%d: %s", file, row, strings.TrimPrefix(at.Error(), "toml: "))
	}
	if err != nil {
		return fmt.Errorf("%s: %w", file, err)
	}
	return nil
}

func parseExpression(file string, p *unstable.Parser, node *unstable.Node) (configLine, error) {
	name, row := keyName(p, node)
	at := fmt.Sprintf("%s:%d", file, row)
	if node.Kind != unstable.KeyValue {
		return configLine{}, fmt.Errorf("%s: [%s]: there are no tables in this file, only keys: %s", at, name, keyNames())
	}
	k, ok := findKey(name)
	if !ok {
		return configLine{}, fmt.Errorf("%s: %s: there is no such setting; the settings are %s", at, name, keyNames())
	}
	values, err := parseValues(k, node.Value())
	if err != nil {
		return configLine{}, fmt.Errorf("%s: %s: %w", at, name, err)
	}
	return configLine{key: k, values: values, at: at}, nil
}

// keyName joins a dotted key and tells its line.
func keyName(p *unstable.Parser, node *unstable.Node) (string, int) {
	var parts []string
	row := 0
	for it := node.Key(); it.Next(); {
		if row == 0 {
			row = p.Shape(it.Node().Raw).Start.Line
		}
		parts = append(parts, string(it.Node().Data))
	}
	return strings.Join(parts, "."), row
}

func parseValues(k Key, node *unstable.Node) ([]string, error) {
	if node.Kind != unstable.Array {
		value, err := parseScalar(node)
		return []string{value}, err
	}
	if !k.IsList() {
		return nil, errors.New("want one value, not a list")
	}
	var values []string
	for it := node.Children(); it.Next(); {
		value, err := parseScalar(it.Node())
		if err != nil {
			return nil, err
		}
		values = append(values, value)
	}
	return values, nil
}

func parseScalar(node *unstable.Node) (string, error) {
	switch node.Kind {
	case unstable.String, unstable.Bool, unstable.Integer:
		return string(node.Data), nil
	}
	return "", fmt.Errorf("want text, a whole number, true or false, not a value of the kind %s", strings.ToLower(node.Kind.String()))
}

func keyNames() string {
	var names []string
	for _, k := range Keys() {
		names = append(names, k.Name)
	}
	return strings.Join(names, ", ")
}
