package golang

import (
	"fmt"
	"net/url"
	"strings"
	"testing"

	"hither/forward/project"
	"hither/rules"
	rulesd "hither/rules.d"
)

const host = "https://proxy.golang.org"

// place is where a client works, and how it was called.
type place struct {
	dir  string
	args []string
}

// inProject is a place with the go.mod and go.sum of a project.
func inProject(t *testing.T, roots, sum []string, args ...string) place {
	t.Helper()
	file, sums := "module example.com/main\ngo 1.21\n", ""
	for _, r := range roots {
		file += "require " + strings.Replace(r, "@", " ", 1) + "\n"
	}
	for _, s := range sum {
		sums += strings.Replace(s, "@", " ", 1) + "/go.mod h1:47DEQpj8HBSa+/TImW+5JCeuQeRkm5NMpJWZG3hSuFU=\n"
	}
	return place{goFiles(t, map[string]string{"go.mod": file, "go.sum": sums}), args}
}

// required are n modules named by a letter, each in its first version.
func required(letter string, n int) (ids []string) {
	for _, path := range paths(letter, n, "") {
		ids = append(ids, strings.Replace(path[1:], "/@v/", "@", 1))
	}
	return ids
}

// paths are n paths of modules named by a letter.
func paths(letter string, n int, ext string) []string {
	out := make([]string, n)
	for i := range out {
		out[i] = fmt.Sprintf("/example.com/%s%03d/@v/v1.0.0%s", letter, i, ext)
	}
	return out
}

func same[T comparable](t *testing.T, what string, got, want T) {
	t.Helper()
	if got != want {
		t.Errorf("%s:\n got %v\nwant %v", what, got, want)
	}
}

func atMost(t *testing.T, what string, got, want int) {
	t.Helper()
	if got > want {
		t.Errorf("%s:\n got %v\nwant at most %v", what, got, want)
	}
}

// match is what a path at the Go registry means.
func match(t testing.TB, path string) rules.Match {
	t.Helper()
	set, err := rules.Load(rulesd.Files)
	if err != nil {
		t.Fatal(err)
	}
	m, ok := set.Match("proxy.golang.org", rules.Query{URL: &url.URL{Path: path}})
	if !ok {
		t.Fatalf("%s is in no rule", path)
	}
	return m
}

func urls(wants []project.Want) string {
	var out []string
	for _, w := range wants {
		out = append(out, strings.TrimPrefix(strings.TrimPrefix(w.URL, host), "https://sum.golang.org"))
	}
	return strings.Join(out, " ")
}
