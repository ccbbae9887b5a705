package files

import (
	"bytes"
	"encoding/json"
	"encoding/xml"
	"errors"
	"io"
	"io/fs"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	"hither/install/stage"
)

// text is a file that ships.
func text(t *testing.T, name string) string {
	t.Helper()
	data, err := os.ReadFile(name)
	stage.Check(t, err)
	return string(data)
}

// TestWhatShipsCanBeRead parses each file by its kind, and proves that the texts agree with the program.
func TestWhatShipsCanBeRead(t *testing.T) {
	err := fs.WalkDir(os.DirFS("."), ".", func(path string, d fs.DirEntry, err error) error {
		if err != nil || d.IsDir() {
			return err
		}
		data, err := os.ReadFile(path)
		stage.Check(t, err)
		switch filepath.Ext(path) {
		case ".plist":
			for dec := xml.NewDecoder(bytes.NewReader(data)); ; {
				if _, err := dec.Token(); errors.Is(err, io.EOF) {
					break
				} else if err != nil {
					t.Fatalf("%s: %v", path, err)
				}
			}
		case ".json":
			if !json.Valid(data) {
				t.Errorf("%s is no JSON", path)
			}
		case ".sh", ".openrc":
			if out, err := exec.CommandContext(t.Context(), "sh", "-n", path).CombinedOutput(); err != nil {
				t.Errorf("%s: %v: %s", path, err, out)
			}
		case ".yaml":
			if strings.Contains(string(data), "\t") {
				t.Errorf("%s has a tab, which YAML forbids", path)
			}
		}
		return nil
	})
	stage.Check(t, err)
	for name, wanted := range map[string][]string{
		"daemonset.yaml":      {"127.0.0.1:7890", `dial_timeout = "1s"`, "hostNetwork: true"},
		"compose.yaml":        {"127.0.0.1:7890/go|https://proxy.golang.org,direct", `network_mode: "service:hither"`, "${PWD:-.}:/work"},
		"Dockerfile":          {"./cmd/hither", "ENTRYPOINT"},
		"hither.service":      {"WatchdogSec=5", "Restart=always", "RestartSec=200ms", "restore", "Type=notify"},
		"dev.hither.plist":    {"<key>KeepAlive</key>\n\t<true/>"},
		"hither.openrc":       {"supervise-daemon", `"$command" restore`},
		"hither-user.service": {"WatchdogSec=5", "restore"},
	} {
		for _, want := range wanted {
			if !strings.Contains(text(t, name), want) {
				t.Errorf("%s has no %q", name, want)
			}
		}
	}
}

// TestTheDockerfileBuildsThisModule reads the instructions: what is copied from a stage must be made there, and the
// compiler be that of go.mod.
func TestTheDockerfileBuildsThisModule(t *testing.T) {
	module, err := os.ReadFile("../../go.mod")
	stage.Check(t, err)
	version := regexp.MustCompile(`(?m)^go (\d+\.\d+)`).FindSubmatch(module)[1]
	text := text(t, "Dockerfile")
	if !strings.Contains(text, "FROM golang:"+string(version)+"-") {
		t.Errorf("the Dockerfile does not build with Go %s, which go.mod names", version)
	}
	known := []string{"FROM", "WORKDIR", "COPY", "RUN", "ENV", "VOLUME", "EXPOSE", "HEALTHCHECK", "ENTRYPOINT", "CMD"}
	stages := regexp.MustCompile(`(?m)^FROM \S+ AS (\w+)`).FindAllStringSubmatch(text, -1)
	for line := range strings.Lines(strings.ReplaceAll(text, "\\\n", "")) {
		words := strings.Fields(line)
		if len(words) == 0 || words[0][0] == '#' {
			continue
		}
		if !slices.Contains(known, words[0]) {
			t.Errorf("unknown instruction %q", line)
		}
		if from, ok := strings.CutPrefix(words[1], "--from="); ok && !slices.ContainsFunc(stages, func(s []string) bool { return s[1] == from }) {
			t.Errorf("%q copies from a stage that is not there", line)
		}
		if i := strings.IndexByte(line, '['); i >= 0 {
			var argv []string
			if err := json.Unmarshal([]byte(line[i:]), &argv); err != nil || argv[0] == "" {
				t.Errorf("%q is no list of words: %v", line, err)
			}
		}
	}
}
