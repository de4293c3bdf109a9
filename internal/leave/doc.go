// Package leave is the one question that an agent asks discovery beside its
// certificate: has everybody heard that my pod goes? In goes a node id, out
// comes silence until the answer is yes. Each discovery knows that of its own
// proxies, so the one that is asked asks the others. The package knows neither
// pods nor proxies.
package leave
