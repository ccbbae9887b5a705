package forward

import "net"

// isLate says that hardly any file is left: here that is not known before none is.
func isLate(net.Conn) bool { return false }
