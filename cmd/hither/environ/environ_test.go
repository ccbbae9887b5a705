package environ

import (
	"strings"
	"testing"

	"hither/cmd/hither/hithertest"
)

func TestAChangedEnvironmentRemembersTheOldOne(t *testing.T) {
	was := List{"A=1", "HTTP_PROXY=http://old", "EMPTY="}
	value := "http://new"
	now := was.With(was.Saving(map[string]*string{"HTTP_PROXY": &value, "HTTPS_PROXY": &value, "EMPTY": &value}))
	hithertest.Same(t, "changed", now.Get("HTTP_PROXY"), "http://new")
	back, undo, err := now.Original()
	if err != nil {
		t.Fatal(err)
	}
	hithertest.Same(t, "back", strings.Join(back, " "), "A=1 EMPTY= HTTP_PROXY=http://old")
	hithertest.Same(t, "undone", strings.Join(Names(undo), " "), "EMPTY HITHER_ENV HTTPS_PROXY HTTP_PROXY")
	if undo["HTTPS_PROXY"] != nil || *undo["EMPTY"] != "" {
		t.Error("what was unset and what was empty are not told apart")
	}
}

// FuzzSaved guards the shell that evaluates what we print: a variable's name is never quoted.
func FuzzSaved(f *testing.F) {
	old := "x"
	f.Add(formatSaved(map[string]*string{"A": &old, "B": nil}))
	f.Add(formatSaved(map[string]*string{"A; rm -rf /": nil}))
	f.Add("null")
	f.Add("bnVsbA")
	f.Fuzz(func(t *testing.T, text string) {
		values, err := parseSaved(text)
		if err != nil {
			return
		}
		if values == nil {
			t.Error("no map and no error")
		}
		for name := range values {
			if strings.ContainsAny(name, " ;&|$`\"'\n()") || name == "" {
				t.Errorf("the name %q was taken", name)
			}
		}
	})
}
