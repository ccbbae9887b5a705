//go:build linux

package main

import (
	"bytes"
	"context"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"

	"hither/bench/lab"
)

// peer is a server that one could have instead, at the near end.
type peer struct {
	command *exec.Cmd
	done    chan struct{}
	said    *bytes.Buffer // not to be read before done
}

// startPeer starts a server in the client's namespace, and waits until it takes connections.
func (w *world) startPeer(ctx context.Context, addr string, env []string, argv ...string) (*peer, error) {
	command := exec.Command("ip", append([]string{"netns", "exec", lab.Client}, argv...)...)
	command.Env = append(w.Environment(), env...)
	return launch(ctx, argv[0], command, func() error {
		return lab.Within(lab.Client, func() error {
			conn, err := (&net.Dialer{Timeout: time.Second}).DialContext(ctx, "tcp4", addr)
			if err == nil {
				conn.Close()
			}
			return err
		})
	})
}

// launch starts a program, and waits until it answers, which up says by nil. The caller stops it.
func launch(ctx context.Context, name string, command *exec.Cmd, up func() error) (*peer, error) {
	p := &peer{command: command, done: make(chan struct{}), said: new(bytes.Buffer)}
	command.SysProcAttr, command.Stdout, command.Stderr = lab.DieWithUs(), p.said, p.said
	command.SysProcAttr.Pdeathsig = syscall.SIGTERM // what nginx and others have started would outlive them if they were killed
	if err := command.Start(); err != nil {
		return nil, fmt.Errorf("start %s: %w", name, err)
	}
	go func() {
		defer close(p.done)
		_ = command.Wait() // what it has to say is in said
	}()
	var err error
	for began := time.Now(); time.Since(began) < lab.StartPatience; {
		if err = up(); err == nil {
			return p, nil
		}
		select {
		case <-p.done:
			return nil, fmt.Errorf("%s ended: %s", name, lastLines(p.said.String(), 5))
		case <-ctx.Done():
			p.stop()
			return nil, ctx.Err()
		case <-time.After(50 * time.Millisecond):
		}
	}
	p.stop()
	return nil, fmt.Errorf("%s does not answer: %w: %s", name, err, lastLines(p.said.String(), 5))
}

// stop ends it, with force after a while. It may be called again; after it, said is whole.
func (p *peer) stop() {
	_ = p.command.Process.Signal(syscall.SIGTERM) // it may have ended
	late := time.AfterFunc(stopPatience, func() { _ = p.command.Process.Kill() })
	<-p.done
	late.Stop()
}

const (
	nginxAddr     = "127.0.0.1:8080"
	nginxTLSAddr  = "127.0.0.1:8443"
	verdaccioAddr = "127.0.0.1:4873"
	// verdaccioVersion is pinned, so that the peer is the same tomorrow. Later ones need Node 22.
	verdaccioVersion = "6.1.6"
)

// nginx serves a directory, with one worker: plainly at nginxAddr, and over TLS as one of the public hosts.
func (w *world) nginx(ctx context.Context, root string) (*peer, error) {
	dir := filepath.Join(w.Dir, "nginx")
	for _, made := range []string{dir, filepath.Join(dir, "tmp")} {
		if err := os.MkdirAll(made, 0o755); err != nil {
			return nil, err
		}
	}
	if err := w.CA.Write(filepath.Join(dir, "host"), ociHost); err != nil {
		return nil, err
	}
	text := strings.NewReplacer("DIR", dir, "ROOT", root, "PLAIN", nginxAddr, "SECURE", nginxTLSAddr).Replace(nginxConf)
	file := filepath.Join(dir, "nginx.conf")
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return w.startPeer(ctx, nginxTLSAddr, nil, "nginx", "-e", filepath.Join(dir, "error.log"), "-c", file)
}

// nginxConf is a careful administrator's, with the cipher that the go command's TLS prefers, too.
const nginxConf = `
user root;
daemon off;
worker_processes 1;
pid DIR/pid;
error_log DIR/error.log crit;
events { worker_connections 1024; }
http {
  access_log off;
  sendfile on;
  tcp_nopush on;
  keepalive_requests 100000000;
  client_body_temp_path DIR/tmp; proxy_temp_path DIR/tmp; fastcgi_temp_path DIR/tmp; uwsgi_temp_path DIR/tmp; scgi_temp_path DIR/tmp;
  default_type application/octet-stream;
  open_file_cache max=1000;
  server { listen PLAIN; root ROOT; }
  server {
    listen SECURE ssl http2;
    http2_max_requests 100000000;
    root ROOT;
    ssl_certificate DIR/host.crt;
    ssl_certificate_key DIR/host.key;
    ssl_protocols TLSv1.3;
    ssl_conf_command Ciphersuites TLS_AES_128_GCM_SHA256;
  }
}
`

// verdaccio is an npm registry that keeps what passes. It is installed beside the recordings, once.
func (w *world) verdaccio(ctx context.Context) (*peer, error) {
	home := filepath.Join(w.cache, "verdaccio-"+verdaccioVersion)
	program := filepath.Join(home, "node_modules", "verdaccio", "bin", "verdaccio")
	if err := installVerdaccio(ctx, home, program); err != nil {
		return nil, err
	}
	dir := filepath.Join(w.Dir, "verdaccio")
	if err := os.MkdirAll(dir, 0o755); err != nil {
		return nil, err
	}
	file := filepath.Join(dir, "config.yaml")
	text := strings.NewReplacer("DIR", dir, "HOST", npmHost).Replace(verdaccioConf)
	if err := os.WriteFile(file, []byte(text), 0o644); err != nil {
		return nil, err
	}
	return w.startPeer(ctx, verdaccioAddr, []string{"NODE_EXTRA_CA_CERTS=" + w.CA.File}, "node", program, "--config", file, "--listen", verdaccioAddr)
}

// installVerdaccio does it if it was not done. One of its dependencies asks for a dist-tag, which not every registry knows;
// the version is the one that the tag has had for years.
func installVerdaccio(ctx context.Context, home, program string) error {
	return installFrom(ctx, home, program, map[string]any{
		"private": true, "dependencies": map[string]string{"verdaccio": verdaccioVersion}, "overrides": map[string]string{"node-fetch": "2.7.0"},
	}, "--ignore-scripts")
}

// installFrom installs what a package.json says into a directory, unless the program that is wanted of it is there.
func installFrom(ctx context.Context, home, program string, manifest map[string]any, options ...string) error {
	if _, err := os.Stat(program); err == nil {
		return nil
	}
	if err := os.MkdirAll(home, 0o755); err != nil {
		return err
	}
	if err := put(home, map[string][]byte{"package.json": asJSON(manifest)}); err != nil {
		return err
	}
	if err := lab.Command(ctx, "npm", append(options, "install", "--no-audit", "--no-fund", "--prefix", home)...); err != nil {
		return fmt.Errorf("install %s: %w", filepath.Base(program), err)
	}
	return nil
}

const verdaccioConf = `
storage: DIR/storage
uplinks:
  npmjs: {url: "https://HOST/", maxage: 60m, max_fails: 100, cache: true}
packages:
  "**": {access: $all, proxy: npmjs}
log: {type: file, path: DIR/log, level: fatal}
web: {enable: false}
`
