package main

import (
	"os"
	"path/filepath"
	"strings"
)

// npmConfig is what npm's files say that would go before the environment we set.
type npmConfig struct {
	CAFiles []string // cafile: it replaces every other root, NODE_EXTRA_CA_CERTS too
	CA      []string // ca and ca[]: PEM text, which does the same
	Proxy   bool     // proxy or https-proxy: they go before HTTPS_PROXY
}

// replacesRoots says that our bundle must be npm's cafile, or npm would not know our certificate.
func (c npmConfig) replacesRoots() bool { return len(c.CAFiles)+len(c.CA) > 0 }

// readNpmrc reads npm_config_* variables and the project's, the user's and the global npmrc (npm's config
// documentation, "npmrc"). pnpm and Yarn 1 read the same files. Files that cannot be read are npm's to complain of.
func readNpmrc(env environment, home, dir string, readFile func(string) ([]byte, error)) npmConfig {
	var c npmConfig
	c.take("cafile", lookupNpm(env, "cafile"), env)
	c.take("ca", lookupNpm(env, "ca"), env)
	c.take("https-proxy", lookupNpm(env, "https_proxy"), env)
	c.take("proxy", lookupNpm(env, "proxy"), env)
	for _, file := range npmrcFiles(env, home, dir) {
		data, err := readFile(file)
		if err != nil {
			continue
		}
		for line := range strings.Lines(string(data)) {
			if name, value, ok := strings.Cut(line, "="); ok {
				c.take(strings.TrimSpace(name), strings.TrimSpace(value), env)
			}
		}
	}
	return c
}

// npmrcFiles lists every file of the project's folder and of those above it, because npm walks up to the project's root.
func npmrcFiles(env environment, home, dir string) []string {
	var files []string
	for dir != "" {
		files = append(files, filepath.Join(dir, ".npmrc"))
		if parent := filepath.Dir(dir); parent != dir {
			dir = parent
		} else {
			break
		}
	}
	if user := lookupNpm(env, "userconfig"); user != "" {
		files = append(files, user)
	} else if home != "" {
		files = append(files, filepath.Join(home, ".npmrc"))
	}
	if global := lookupNpm(env, "globalconfig"); global != "" {
		return append(files, global)
	}
	prefix := env.Get("PREFIX")
	if prefix == "" {
		prefix = programRoot("node")
	}
	if prefix != "" {
		files = append(files, filepath.Join(prefix, "etc", "npmrc"))
	}
	return files
}

func lookupNpm(env environment, name string) string {
	return env.Get("npm_config_"+name, "NPM_CONFIG_"+strings.ToUpper(name))
}

// take notes one setting; empty and null values are npm's way to say none.
func (c *npmConfig) take(name, value string, env environment) {
	value = os.Expand(unquote(value), func(v string) string { return env.Get(v) })
	if value == "" || value == "null" {
		return
	}
	switch name {
	case "cafile":
		c.CAFiles = append(c.CAFiles, value)
	case "ca", "ca[]":
		c.CA = append(c.CA, strings.ReplaceAll(value, `\n`, "\n"))
	case "proxy", "https-proxy":
		c.Proxy = c.Proxy || value != "false"
	}
}

func unquote(s string) string {
	if len(s) >= 2 && (s[0] == '"' || s[0] == '\'') && s[len(s)-1] == s[0] {
		return s[1 : len(s)-1]
	}
	return s
}
