package goenv

import (
	"os"
	"testing"

	"hither/cmd/hither/environ"
	"hither/cmd/hither/hithertest"
)

func TestGOPROXYIsChangedOnlyIfItBeginsWithThePublicProxy(t *testing.T) {
	for _, row := range []struct{ says, list, want string }{
		{"nothing is set", "", "http://h/go|https://proxy.golang.org,direct"},
		{"the default is set", "https://proxy.golang.org,direct", "http://h/go|https://proxy.golang.org,direct"},
		{"with a bar and a slash", "https://proxy.golang.org/|direct", "http://h/go|https://proxy.golang.org/|direct"},
		{"another mirror comes first", "https://goproxy.cn,https://proxy.golang.org,direct", ""},
		{"a private proxy comes first", "https://athens.corp|https://proxy.golang.org", ""},
		{"direct", "direct", ""},
		{"off", "off", ""},
		{"a name that only looks like it", "https://proxy.golang.org.evil.example,direct", ""},
		{"the default without its scheme", "proxy.golang.org,direct", "http://h/go|proxy.golang.org,direct"},
		{"a private proxy behind nothing", " ,athens.corp", ""},
	} {
		got, ok := ThroughGateway(row.list, "http://h/go")
		hithertest.Same(t, row.says, got, row.want)
		hithertest.Same(t, row.says, ok, row.want != "")
	}
}

func TestGoSettingsAreReadWhereGoReadsThem(t *testing.T) {
	hithertest.SkipElsewhere(t)
	files := map[string]string{
		"/home/u/.config/go/env": "# x\nGOPROXY=https://own,direct\n",
		"/else":                  "GOPROXY=https://else\n",
		"/by-hand":               "GOPROXY=https://proxy.golang.org,direct\nGOPROXY=https://athens.corp\n GOPROXY=https://none\n#GOPROXY=https://none\n",
		"/go/go.env":             "GOPROXY=direct\nGOTOOLCHAIN=auto\n",
	}
	read := func(path string) ([]byte, error) {
		if text, ok := files[path]; ok {
			return []byte(text), nil
		}
		return nil, os.ErrNotExist
	}
	for _, row := range []struct {
		says string
		env  environ.List
		want string
	}{
		{"the environment goes first", environ.List{"HOME=/home/u", "GOPROXY=off"}, "off"},
		{"then the file of go env -w", environ.List{"HOME=/home/u"}, "https://own,direct"},
		{"which may be another", environ.List{"HOME=/home/u", "GOENV=/else"}, "https://else"},
		{"of equal lines the last counts", environ.List{"HOME=/home/u", "GOENV=/by-hand"}, "https://athens.corp"},
		{"or none; then the distribution's", environ.List{"HOME=/home/u", "GOENV=off"}, "direct"},
	} {
		hithertest.Same(t, row.says, Settings{Env: row.env, ReadFile: read, Root: "/go"}.Get("GOPROXY"), row.want)
	}
}
