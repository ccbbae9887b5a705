package main

import (
	"strings"
	"testing"
)

// npm reads no project's file for what it does to the whole machine.
func TestGlobalCallsOfNpmAreKnown(t *testing.T) {
	for _, row := range []struct {
		command string
		env     environment
		want    bool
	}{
		{command: "npm ci"}, {command: "npm install -g x", want: true}, {command: "/usr/bin/npm --global ls", want: true}, {command: "npm.cmd --location=global ls", want: true},
		{command: "npm i --location global x", want: true}, {command: "npm i -gf x", want: true}, {command: "npm --silent -qg ls", want: true}, {command: "npm -g=true ls", want: true},
		{command: "npm --g ls", want: true}, {command: "npm --global=false ci"}, {command: "npm ci -reg https://x"}, {command: "npm ci -iwr"}, {command: "npm ci --ignore-scripts"},
		{command: "npm i global"}, {command: "npm run x -- -g"}, {command: "make -g"}, {command: "npm"},
		{command: "npm ci", env: []string{"npm_config_global=true"}, want: true}, {command: "npm ci", env: []string{"NPM_CONFIG_LOCATION=global"}, want: true},
	} {
		same(t, row.command, isGlobalNpm(strings.Fields(row.command), row.env), row.want)
	}
}
