package roots

import (
	"bytes"
	"syscall"
	"unsafe"

	"hither/cmd/hither/environ"
)

// GoReadsBundle tells whether Go programs look at SSL_CERT_FILE: on Windows they ask CryptoAPI instead.
const GoReadsBundle = false

// AddSystem takes the ROOT store of the user and the machine.
//
// BUG: Windows downloads a root of Microsoft's programme when it first meets it, so that the store of a fresh machine is
// not complete. Open one site of that root in a browser, or name its file in the setting ca-files.
func (r *Set) AddSystem(env environ.List) {
	name, err := syscall.UTF16PtrFromString("ROOT")
	if err != nil {
		return
	}
	store, err := syscall.CertOpenSystemStore(0, name)
	if err != nil {
		return
	}
	defer syscall.CertCloseStore(store, 0)
	var cert *syscall.CertContext
	for {
		if cert, err = syscall.CertEnumCertificatesInStore(store, cert); err != nil || cert == nil {
			break
		}
		r.add(bytes.Clone(unsafe.Slice(cert.EncodedCert, cert.Length)))
	}
	r.addListed(env, nil, nil)
}
