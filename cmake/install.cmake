# What an installation has beside tokenctl (its own folder says), and the Debian package made of it (scripts/package).
# Paths are below the prefix, /usr in the package; /etc is the machine's own.
include(GNUInstallDirs)
# What is installed is built by scripts/package; tests are not for that.
set(CMAKE_SKIP_INSTALL_ALL_DEPENDENCY ON)
set(doc_dir ${CMAKE_INSTALL_DATADIR}/doc/token-inventory)

install(TARGETS token-inventoryd RUNTIME DESTINATION ${CMAKE_INSTALL_BINDIR})
# Where FindPageWorker looks for it.
install(TARGETS token-inventory-page-worker RUNTIME DESTINATION libexec/token-inventory)
install(FILES packaging/systemd/token-inventoryd.service DESTINATION lib/systemd/system)
install(FILES packaging/systemd/token-inventory.sysusers
  DESTINATION lib/sysusers.d RENAME token-inventory.conf)
install(FILES packaging/config.yaml DESTINATION /etc/token-inventory)
install(FILES packaging/man/token-inventoryd.8 DESTINATION ${CMAKE_INSTALL_MANDIR}/man8)
# The built-in manifests, to start one's own from.
install(DIRECTORY connectors/providers DESTINATION ${CMAKE_INSTALL_DATADIR}/token-inventory
  FILES_MATCHING PATTERN *.yaml)
# What clients in any language are generated from.
install(DIRECTORY proto/ DESTINATION ${CMAKE_INSTALL_DATADIR}/token-inventory/proto
  FILES_MATCHING PATTERN *.proto PATTERN internal EXCLUDE)
install(FILES packaging/prometheus/token-inventory.rules.yaml packaging/grafana/token-inventory.json
  DESTINATION ${CMAKE_INSTALL_DATADIR}/token-inventory)
install(FILES README.md SECURITY.md DESTINATION ${doc_dir})
install(FILES packaging/debian/copyright DESTINATION ${doc_dir})
install(DIRECTORY docs/ DESTINATION ${doc_dir}/docs FILES_MATCHING PATTERN *.md)

set(CPACK_GENERATOR DEB)
set(CPACK_PACKAGE_NAME token-inventory)
set(CPACK_PACKAGE_CONTACT "Token Inventory maintainers <maintainers@token-inventory.invalid>")
set(CPACK_PACKAGE_DESCRIPTION_SUMMARY "inventory of an organisation's API tokens at every vendor")
set(CPACK_PACKAGE_DESCRIPTION
"Polls vendors' REST endpoints for the API tokens that an organisation has handed
out, keeps what it finds in a local store, and serves it by gRPC: lists, filters,
streams of changes, and notices before a token expires.")
set(CPACK_PACKAGING_INSTALL_PREFIX /usr)
set(CPACK_STRIP_FILES ON)
set(CPACK_DEBIAN_FILE_NAME DEB-DEFAULT)
set(CPACK_DEBIAN_PACKAGE_SECTION admin)
set(CPACK_DEBIAN_PACKAGE_SHLIBDEPS ON)
set(CPACK_DEBIAN_PACKAGE_DEPENDS "systemd | systemd-sysusers")
set(CPACK_DEBIAN_PACKAGE_RECOMMENDS ca-certificates)
set(CPACK_DEBIAN_PACKAGE_CONTROL_STRICT_PERMISSION ON)
set(CPACK_DEBIAN_PACKAGE_CONTROL_EXTRA
  ${PROJECT_SOURCE_DIR}/packaging/debian/conffiles
  ${PROJECT_SOURCE_DIR}/packaging/debian/postinst
  ${PROJECT_SOURCE_DIR}/packaging/debian/prerm
  ${PROJECT_SOURCE_DIR}/packaging/debian/postrm)
include(CPack)
