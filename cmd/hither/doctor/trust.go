package doctor

import (
	"context"
	"errors"
	"io/fs"
	"path/filepath"
	"strings"
)

// trust looks at every store of roots on this machine: whether ours is in it, and whether an older one still is.
type trust struct{}

// Name implements Check.
func (trust) Name() string { return "trust" }

// rootVariables make tools read a file of roots.
func rootVariables() []string {
	return []string{
		"SSL_CERT_FILE", "NODE_EXTRA_CA_CERTS", "REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "PIP_CERT", "GIT_SSL_CAINFO",
		"CARGO_HTTP_CAINFO", "DENO_CERT", "YARN_HTTPS_CA_FILE_PATH",
	}
}

// Run implements Check. Whether a tool needs the store it reads is for the tool's own check to say.
func (c trust) Run(ctx context.Context, p *Patient) (out []Finding) {
	if len(p.root()) == 0 {
		return []Finding{note("Hither's root certificate is not there yet; it is made when Hither first starts", "Start it once: "+p.start()+".")}
	}
	byFile, files := map[string][]string{}, []string{}
	for _, name := range rootVariables() {
		if s := p.first(name); s.Said() {
			if byFile[s.Value] == nil {
				files = append(files, s.Value)
			}
			byFile[s.Value] = append(byFile[s.Value], name)
		}
	}
	for _, file := range files {
		out = append(out, c.named(p, file, byFile[file])...)
	}
	out = append(out, c.system(ctx, p)...)
	out = append(out, c.git(ctx, p)...)
	for _, file := range stores(p) {
		out = append(out, c.store(p, file)...)
	}
	return out
}

// named looks at a file that variables name.
func (trust) named(p *Patient, file string, names []string) []Finding {
	who := strings.Join(names, ", ")
	found := p.shelf(who, file)
	switch {
	case errors.Is(found.Err, fs.ErrNotExist):
		return []Finding{fail(found.place()+" is not there, so tools that read it trust nobody or stop", "Take it back: `"+p.Shell.Unset(names...)+"`; or for this shell: `"+p.thisShell()+"`.")}
	case found.Err != nil:
		return []Finding{fail(found.place()+" cannot be used: "+found.Err.Error(), "Name a file of PEM certificates, or: `"+p.Shell.Unset(names...)+"`.")}
	case found.Ours:
		return []Finding{well("Hither's root is in " + found.place())}
	case found.wrong() != "":
		return []Finding{warn(found.wrong()+", not the root in force", p.appendRemedy(file)).with("found", strings.Join(found.Others, ", "))}
	}
	return []Finding{note("Hither's root is not in "+found.place(), p.appendRemedy(file))}
}

// system looks at the system's own store.
func (trust) system(ctx context.Context, p *Patient) []Finding {
	found, _ := p.systemShelf(ctx)
	remedy := "If tools are to trust Hither without variables: `" + p.trustCommand() + "`."
	switch {
	case found.Path == "":
		return []Finding{note("this system has no roots of its own", "Install the package ca-certificates.")}
	case found.Err != nil:
		return []Finding{warn("the system's roots cannot be read: "+found.Err.Error(), "Make them anew: `sudo update-ca-certificates`.")}
	case found.wrong() != "":
		return []Finding{warn(found.wrong()+", not the root in force", remedy)}
	case found.Ours:
		return []Finding{well("Hither's root is among the system's (" + found.Path + ")")}
	}
	return []Finding{note("Hither's root is not among the system's ("+found.Path+")", remedy)}
}

// git looks at the file that git was told to read.
func (trust) git(ctx context.Context, p *Patient) []Finding {
	if !p.has("git") || p.lookup("GIT_SSL_CAINFO") != "" {
		return nil
	}
	file := strings.TrimSpace(p.run(ctx, "git", "config", "--get", "http.sslCAInfo"))
	if file == "" {
		return nil
	}
	found := p.shelf("git's http.sslCAInfo", file)
	switch {
	case found.Err != nil:
		return []Finding{fail("git's http.sslCAInfo is "+file+": "+found.Err.Error(), "Take it back: `git config --global --unset http.sslCAInfo`.")}
	case found.Ours:
		return []Finding{well("Hither's root is in " + found.place())}
	case found.wrong() != "":
		return []Finding{warn(found.wrong()+", not the root in force", p.appendRemedy(file))}
	}
	return []Finding{note("Hither's root is not in "+found.place()+"; git needs it only for hosts in a rule", p.appendRemedy(file))}
}

// stores are the databases of browsers and of Java.
func stores(p *Patient) (files []string) {
	patterns := []string{p.home(".pki", "nssdb", "cert9.db"), p.home(".mozilla", "firefox", "*", "cert9.db"), p.home("snap", "firefox", "common", ".mozilla", "firefox", "*", "cert9.db"),
		"/etc/ssl/certs/java/cacerts", "/etc/pki/java/cacerts", "/usr/lib/jvm/*/lib/security/cacerts"}
	if home := p.lookup("JAVA_HOME"); home != "" {
		patterns = append(patterns, filepath.Join(home, "lib", "security", "cacerts"), filepath.Join(home, "jre", "lib", "security", "cacerts"))
	}
	seen := map[string]bool{}
	for _, pattern := range patterns {
		if pattern == "" {
			continue
		}
		found, _ := filepath.Glob(p.path(pattern))
		for _, file := range found[:min(len(found), 8)] {
			real, err := filepath.EvalSymlinks(file)
			if err == nil && !seen[real] {
				seen[real] = true
				files = append(files, strings.TrimPrefix(file, p.Root))
			}
		}
	}
	return files
}

// store looks at one database. None of the clients that Hither knows needs it, so what it lacks is a note.
func (trust) store(p *Patient, file string) []Finding {
	found := p.shelf("", file)
	remedy := "If Java is to trust Hither: `sudo keytool -importcert -noprompt -alias hither -storepass changeit -keystore " + p.Shell.Quote(file) + " -file " + p.Shell.Quote(p.rootFile()) + "`."
	if strings.HasSuffix(file, ".db") {
		remedy = "If browsers are to trust Hither: `certutil -A -d sql:" + p.Shell.Quote(filepath.Dir(file)) + " -t C,, -n hither -i " + p.Shell.Quote(p.rootFile()) + "`."
	}
	switch {
	case found.Err != nil:
		return nil
	case found.Ours:
		return []Finding{well("Hither's root is in " + file)}
	case found.wrong() != "":
		return []Finding{warn(found.wrong()+", not the root in force", remedy)}
	}
	return []Finding{note("Hither's root is not in "+file, remedy)}
}
