package golang

import (
	"slices"
	"strings"
	"testing"
)

func TestCommands(t *testing.T) {
	for line, want := range map[string]need{
		"go mod download":                 downloads,
		"go mod download -x all":          downloads,
		"go mod download example.com/a":   nothing,
		"/usr/local/go/bin/go mod tidy":   everything,
		`C:\Go\bin\go.exe list -m all`:    modules,
		"go -C sub list -m -json all":     modules,
		"go1.26.0 list -m example.com/a":  graph,
		"go list -deps ./...":             packages,
		"go mod graph":                    graph,
		"go mod vendor":                   packages,
		"go test -run X ./...":            packages,
		"go install example.com/a@latest": nothing,
		"go get example.com/a@v1.0.0":     graph,
		"go mod":                          nothing,
		"go":                              nothing,
		"":                                nothing,
		"gopls -mode=stdio":               nothing,
	} {
		same(t, line, readCommand(strings.Fields(line)).need, want)
	}
}

func TestTheDirectoryThatGoGoesTo(t *testing.T) {
	for line, want := range map[string]string{
		"go -C sub mod download": "sub", "go mod download -C sub": "sub", "go build -C=../x ./...": "../x", "go --C sub list": "sub",
		"go run . -C sub": "", "go build -v -C sub": "", "go test ./... -args -C sub": "", "go -C": "", "go": "", "make -C sub": "", "": "",
	} {
		same(t, line, Dir(strings.Fields(line)), want)
	}
}

func TestWhatIsQueried(t *testing.T) {
	for line, want := range map[string]string{
		"go list -m -u all": "updates", "go list -u -m all": "updates", "go list -m all": "", "go list -u ./...": "",
		"go list -m -versions golang.org/x/text": "golang.org/x/text", "go list -m golang.org/x/text": "",
		"go list -m golang.org/x/text@latest": "golang.org/x/text", "go list -m -u golang.org/x/text": "golang.org/x/text",
		"go get -u ./...": "upgrades", "go get -u": "upgrades", "go get -t -u=patch all": "upgrades", "go get ./...": "",
		"go get example.com/a@latest example.com/b@none": "example.com/a", "go get -u example.com/a": "example.com/a",
		"go install example.com/a/cmd/x@latest": "example.com/a/cmd/x", "go install ./cmd/x": "",
		"go run example.com/a@v1 example.com/b@v1": "example.com/a", "go test ./... -run a@b": "", "go mod tidy": "", "npm ci": "",
	} {
		c := readCommand(strings.Fields(line))
		got := slices.Clone(c.queries)
		if c.updates {
			got = append(got, "updates")
		}
		if c.upgrades {
			got = append(got, "upgrades")
		}
		same(t, line, strings.Join(got, " "), want)
	}
}
