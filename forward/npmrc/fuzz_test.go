package npmrc_test

import (
	"slices"
	"strings"
	"testing"

	"hither/forward/npmrc"
)

// FuzzParse guards a parser of what strangers write. What comes of it is no larger than the file, and no credential.
func FuzzParse(f *testing.F) {
	for _, tree := range npmTrees() {
		for _, text := range tree.files {
			f.Add(text)
		}
	}
	for _, s := range sayings() {
		for _, text := range s.files {
			f.Add(text)
		}
	}
	f.Add("ca[]\n=\n[]=\n[=]\nca=\"\\\nca='\nca=${${x}}")
	f.Add("//npm.corp/:_authToken=hush\n_auth=hush\n\x00=\xff\nregistry=\"\\u0041\"\n@:registry='")
	f.Fuzz(func(t *testing.T, text string) {
		held := 0
		for _, s := range npmrc.Parse(text, "x").All() {
			if len(s.Values) == 0 || strings.HasPrefix(s.Name, "//") && !strings.HasSuffix(s.Name, ":registry") || strings.HasPrefix(s.Name, "_") && !strings.ContainsAny(s.Name, ":$") {
				t.Errorf("\n got %+v\nwant a key that is asked for, with a value", s)
			}
			held += len(s.Name) + len(s.Text())
			_, _ = npmrc.Expand(s.Text(), func(name string) (string, bool) { return name, len(name) > 1 })
		}
		if held > 3*len(text)+4*strings.Count(text, "\n")+len("true") { // what is no UTF-8 in JSON becomes three letters
			t.Errorf("%d bytes of a file of %d", held, len(text))
		}
	})
}

// FuzzParseArgs guards a parser of anybody's command lines: each argument is used once.
func FuzzParseArgs(f *testing.F) {
	for command := range commands() {
		f.Add(command)
	}
	f.Add("-\xff --=x --no-no-no- -=- -ggggggg --n")
	f.Fuzz(func(t *testing.T, command string) {
		args := strings.Split(command, " ")
		before := slices.Clone(args)
		got := npmrc.ParseArgs(args)
		if !slices.Equal(args, before) {
			t.Errorf("the arguments were changed to %q", args)
		}
		if len(got) > len(command)+1 {
			t.Errorf("%d arguments of %d letters", len(got), len(command))
		}
		words := 0
		for _, arg := range got {
			if arg.Option == "" && arg.Known {
				t.Errorf("\n got %+v\nwant a word, or an option", arg)
			}
			words += len(arg.Word)
		}
		if words > len(command)+len("--loglevel verbose") {
			t.Errorf("%d letters of words of %d", words, len(command))
		}
	})
}
