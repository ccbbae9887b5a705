package npmrc

import (
	"iter"
	"strings"
)

// kind is what value an option takes.
type kind int

const (
	unknown kind = iota // npm does not know it
	boolean             // none, or the word true or false; of some, another
	text                // any word that is no option
	other               // the next word, whatever it is
)

// The options of npm 11 by their kinds (@npmcli/config, lib/definitions).
const (
	booleanOptions = " all allow-same-version audit bin-links bypass-2fa commit-hooks dangerously-allow-all-scripts description dev " +
		"diff-ignore-all-space diff-name-only diff-no-prefix diff-text dry-run engine-strict expect-results force " +
		"foreground-scripts format-package-lock fund git-tag-version global global-style if-present ignore-scripts include-staged " +
		"include-workspace-root include-attestations init-private install-links json legacy-bundling legacy-peer-deps link long " +
		"offline omit-lockfile-registry-resolved optional package-lock package-lock-only parseable allow-scripts-pending " +
		"allow-scripts-pin prefer-dedupe prefer-offline prefer-online production progress provenance read-only rebuild-bundle " +
		"save save-bundle save-dev save-exact save-optional save-peer save-prod packages-all shrinkwrap sign-git-commit " +
		"sign-git-tag strict-peer-deps strict-allow-scripts strict-ssl timing unicode update-notifier usage version versions " +
		"workspaces workspaces-update yes browser color "
	nullOptions = " browser expect-results optional production workspaces yes " // of the booleans, those that may be null
	textOptions = " call diff-dst-prefix diff-src-prefix editor git heading init-author-email init-author-name init-license init-type " +
		"init.author.email init.author.name init.license message pack-destination preid save-prefix scope searchexclude " +
		"searchopts shell tag tag-version-prefix user-agent viewer "
	otherOptions = " _auth access allow-directory allow-file allow-git allow-remote allow-scripts also audit-level auth-type before ca cache " +
		"cache-max cache-min cafile cert cidr cpu depth diff diff-unified expect-result-count expires fetch-retries " +
		"fetch-retry-factor fetch-retry-maxtimeout fetch-retry-mintimeout fetch-timeout globalconfig https-proxy include " +
		"init-author-url init-module init-version init.author.url init.module init.version install-strategy key libc " +
		"local-address location lockfile-version loglevel logs-dir logs-max name maxsockets min-release-age " +
		"min-release-age-exclude node-gyp node-options noproxy omit only orgs os otp package packages prefix provenance-file " +
		"proxy registry replace-registry-host sbom-format sbom-type scopes packages-and-scopes-permission orgs-permission " +
		"password token-description script-shell searchlimit searchstaleness umask userconfig which workspace "
)

// optionKind looks for an option by its full name.
func optionKind(name string) kind {
	if name == "" || strings.ContainsAny(name, " \t\r\n") {
		return unknown
	}
	key := " " + name + " "
	switch {
	case strings.Contains(booleanOptions, key):
		return boolean
	case strings.Contains(otherOptions, key):
		return other
	case strings.Contains(textOptions, key):
		return text
	}
	return unknown
}

// inFull is the one option that a name is the beginning of; empty if there is none, or more.
func inFull(name string) string {
	if optionKind(name) != unknown {
		return name
	}
	return onlyBeginning(name, strings.FieldsSeq(booleanOptions+textOptions+otherOptions))
}

func onlyBeginning(name string, names iter.Seq[string]) string {
	found := ""
	for one := range names {
		switch {
		case name == "" || !strings.HasPrefix(one, name):
		case found != "":
			return ""
		default:
			found = one
		}
	}
	return found
}

// shortOptions are the ways to say an option in short (@npmcli/config, lib/definitions/index.js), NAME=OPTION, one a line.
const shortOptions = `enjoy-by=--before
d=--loglevel info
dd=--loglevel verbose
ddd=--loglevel silly
quiet=--loglevel warn
q=--loglevel warn
s=--loglevel silent
silent=--loglevel silent
verbose=--loglevel verbose
desc=--description
help=--usage
local=--no-global
n=--no-yes
no=--no-yes
porcelain=--parseable
readonly=--read-only
reg=--registry
iwr=--include-workspace-root
ws=--workspaces
a=--all
c=--call
f=--force
g=--global
L=--location
l=--long
m=--message
p=--parseable
C=--prefix
S=--save
B=--save-bundle
D=--save-dev
E=--save-exact
O=--save-optional
P=--save-prod
?=--usage
H=--usage
h=--usage
v=--version
w=--workspace
y=--yes`

// shortOption is what a name stands for; empty if it is none of the short ones.
func shortOption(name string) string {
	for line := range strings.SplitSeq(shortOptions, "\n") {
		if short, long, _ := strings.Cut(line, "="); short == name {
			return long
		}
	}
	return ""
}

func shortNames() iter.Seq[string] {
	return func(yield func(string) bool) {
		for line := range strings.SplitSeq(shortOptions, "\n") {
			if short, _, _ := strings.Cut(line, "="); !yield(short) {
				return
			}
		}
	}
}
